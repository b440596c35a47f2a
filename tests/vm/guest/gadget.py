#!/usr/bin/python3
"""USB devices made in the guest with configfs, on dummy_hcd's controllers.

gadget.py plug '{"name": "a", "controller": 0, "vendor": "4255", "product": "1000", "serial": "X1", "manufacturer": "Acme",
                 "product_name": "X8", "disks": ["/srv/a.img"], "keyboard": false, "network": false, "mtp": "/srv/card"}'
gadget.py pull NAME
"""

import json
import os
import subprocess
import sys
import time

GADGETS = "/sys/kernel/config/usb_gadget"
# A boot keyboard's report descriptor (HID 1.11, appendix E.6), shortened to its keys.
KEYBOARD = bytes.fromhex("05010906a101050719e029e71500250175019508810295067508150025650507190029658100c0")


def write(path, text):
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else str(text).encode())


def plug(asked):
    if not os.path.isdir(GADGETS):
        # One port each: a controller is a bay.
        subprocess.run(["modprobe", "dummy_hcd", "num=4"], check=True)
        subprocess.run(["modprobe", "libcomposite"], check=True)
    top = f"{GADGETS}/{asked['name']}"
    for folder in (top, f"{top}/strings/0x409", f"{top}/configs/c.1"):
        os.mkdir(folder)
    write(f"{top}/idVendor", "0x" + asked["vendor"])
    write(f"{top}/idProduct", "0x" + asked["product"])
    for key, name in (("serialnumber", "serial"), ("manufacturer", "manufacturer"), ("product", "product_name")):
        if asked.get(name):
            write(f"{top}/strings/0x409/{key}", asked[name])
    functions = []
    if asked.get("disks"):
        functions.append("mass_storage.0")
        os.mkdir(f"{top}/functions/mass_storage.0")
        for number, image in enumerate(asked["disks"]):
            unit = f"{top}/functions/mass_storage.0/lun.{number}"
            if number > 0:
                os.mkdir(unit)
            write(f"{unit}/removable", 1)
            write(f"{unit}/file", image)
    if asked.get("keyboard"):
        functions.append("hid.0")
        os.mkdir(f"{top}/functions/hid.0")
        for key, value in (("protocol", 1), ("subclass", 1), ("report_length", 8), ("report_desc", KEYBOARD)):
            write(f"{top}/functions/hid.0/{key}", value)
    if asked.get("network"):
        functions.append("ecm.0")
        os.mkdir(f"{top}/functions/ecm.0")
    if asked.get("mtp"):
        functions.append(f"ffs.{asked['name']}")
        os.mkdir(f"{top}/functions/ffs.{asked['name']}")
        respond(asked)
    for function in functions:
        os.symlink(f"{top}/functions/{function}", f"{top}/configs/c.1/{function}")
    write(f"{top}/UDC", f"dummy_udc.{asked['controller']}")


def respond(asked):
    """umtp-responder over FunctionFS; returns when it has described itself."""
    name = asked["name"]
    place = f"/dev/ffs-{name}"
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "functionfs", name, place], check=True)
    write(f"/run/umtprd-{name}.conf", "\n".join([
        "loop_on_disconnect 1", f'storage "{asked["mtp"]}" "card" "ro"', f'manufacturer "{asked["manufacturer"]}"',
        f'product "{asked["product_name"]}"', f'serial "{asked["serial"]}"', 'firmware_version "1"', 'interface "MTP"',
        f"usb_vendor_id 0x{asked['vendor']}", f"usb_product_id 0x{asked['product']}", "usb_class 0x6",
        "usb_subclass 0x1", "usb_protocol 0x1", "usb_dev_version 0x3008", "usb_functionfs_mode 0x1",
        f'usb_dev_path "{place}/ep0"', f'usb_epin_path "{place}/ep1"', f'usb_epout_path "{place}/ep2"',
        f'usb_epint_path "{place}/ep3"', "usb_max_packet_size 0x200", "no_inotify 1", ""]))
    subprocess.run(["systemd-run", "-q", f"--unit=umtprd-{name}", "umtprd", "-conf", f"/run/umtprd-{name}.conf"],
                   check=True)
    for _ in range(200):
        if os.path.exists(f"{place}/ep3"):
            return
        time.sleep(0.05)
    sys.exit("umtprd did not describe itself")


def pull(name):
    write(f"{GADGETS}/{name}/UDC", "\n")


if sys.argv[1] == "plug":
    plug(json.loads(sys.argv[2]))
else:
    pull(sys.argv[2])
