#!/usr/bin/env bash
# make_image.sh OUTDIR WEED DEBIAN: the guest as a folder with vmlinuz, initrd, disk.raw and store.raw (ext4, no partitions):
# this Debian (bookworm, trixie) as a station has it, the store on loopback, and the agent that the tests talk to. It has to be
# the Debian of the machine that built the programs. Wants root and mmdebstrap. The result depends only on this folder,
# WEED and DEBIAN; the caller keeps it under their hash.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then exec sudo -n "$0" "$@"; fi
PATH=$PATH:/usr/sbin:/sbin
usage='usage: make_image.sh OUTDIR WEED DEBIAN'
out=${1:?$usage}
weed=${2:?$usage}
debian=${3:?$usage}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out"
work=$(mktemp -d "$out/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"

# The libraries that the programs were built with.
ffmpeg=()
for library in avcodec avformat avutil swscale swresample; do
    ffmpeg+=("$(dpkg-query -W -f '${Depends}' "lib$library-dev" | grep -o "lib$library[0-9][0-9]*" | head -n 1)")
done
packages=(
    systemd systemd-sysv udev dbus kmod linux-image-amd64 # the station
    ca-certificates libusb-1.0-0 "${ffmpeg[@]}"
    umtp-responder exfatprogs dosfstools python3 # cameras made in the guest, and the agent
)
# Drivers that no virtual machine has: two thirds of the kernel package.
without=()
for folder in drivers/gpu drivers/net drivers/media drivers/infiniband drivers/scsi/[a-r]* drivers/scsi/[t-u]* \
    drivers/iio drivers/staging drivers/hwmon drivers/ata drivers/md drivers/mtd drivers/bluetooth drivers/isdn \
    drivers/target drivers/platform drivers/thunderbolt sound fs/gfs2 fs/nfs fs/nfsd fs/ocfs2 fs/smb fs/reiserfs fs/jfs fs/f2fs fs/ubifs fs/xfs fs/btrfs fs/ceph fs/dlm \
    net/[a-m]* net/openvswitch net/sched net/wireless net/mac80211 net/sctp net/tipc; do
    without+=(--dpkgopt="path-exclude=/lib/modules/*/kernel/$folder/*" --dpkgopt="path-exclude=/usr/lib/modules/*/kernel/$folder/*")
done
without+=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/boot/System.map*')

# The early file system holds only what mounts the disk.
initramfs=$work/initramfs
mkdir "$initramfs"
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$initramfs/vm.conf"
printf '%s\n' virtio_pci virtio_blk ext4 >"$initramfs/modules"

LC_ALL=C SOURCE_DATE_EPOCH=1700000000 mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
    --include="$(IFS=,; echo "${packages[*]}")" --aptopt='Acquire::Languages "none"' "${without[@]}" \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook="copy-in $initramfs/modules /etc/initramfs-tools/" \
    --essential-hook="copy-in $initramfs/vm.conf /etc/initramfs-tools/conf.d/" \
    "$debian" "$work/root"

root=$work/root
install -m 0755 "$weed" "$root/usr/local/bin/weed"
install -m 0755 -d "$root/usr/local/lib/vm"
install -m 0755 "$here"/*.py "$root/usr/local/lib/vm/"
install -m 0644 "$here"/*.json "$root/usr/local/lib/vm/"
install -m 0644 "$here"/*.service "$root/etc/systemd/system/"
printf 'camdock-vm\n' >"$root/etc/hostname"
printf '127.0.0.1 localhost camdock-vm\n' >"$root/etc/hosts"
# Objects that the store has acknowledged must survive a power cut, as on another machine: it writes through.
printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /var/lib/weed ext4 sync,dirsync 0 2\n' >"$root/etc/fstab"
mkdir -p "$root/var/lib/weed"
: >"$root/etc/machine-id"
mkdir -p "$root/var/log/journal"
# For `make vm`: root without a password on the console; there is no network to come in by.
chroot "$root" passwd -d root >/dev/null
for unit in agent.service weed.service; do
    ln -sf "/etc/systemd/system/$unit" "$root/etc/systemd/system/multi-user.target.wants/$unit"
done
# Units that would start on their own and have no part in the tests.
for unit in umtp-responder.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# A small image is quick to write back.
rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists"
mkdir -p "$root/var/cache/apt" "$root/var/lib/apt/lists"

cp -L "$root/vmlinuz" "$work/vmlinuz"
cp -L "$root/initrd.img" "$work/initrd"
rm -f "$root"/boot/initrd.img-* "$root"/boot/vmlinuz-*
mke2fs -q -t ext4 -L camdock-vm -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$work/disk.raw" 4G
mke2fs -q -t ext4 -L camdock-store -E lazy_itable_init=0,lazy_journal_init=0 "$work/store.raw" 2G
mv "$work/vmlinuz" "$work/initrd" "$work"/{disk,store}.raw "$out/"
