//! One QEMU process and its control socket (QMP).

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Where one of the guest's disks is.
pub enum Disk {
    /// A raw file that the guest writes to. Writes survive a cut, flushed or not.
    Kept(PathBuf),
    /// A raw file that is not changed; the guest's writes are dropped when the process ends.
    Scratch(PathBuf),
    /// The socket of an NBD server.
    Nbd(PathBuf),
}

pub struct Machine<'a> {
    /// The folder with `vmlinuz` and `initrd`.
    pub image: &'a Path,
    /// The system, and where the store keeps its data.
    pub disks: [Disk; 2],
    /// The saved state of a running machine to resume, instead of booting.
    pub resume: Option<&'a Path>,
    /// Boots with a console on this terminal.
    pub terminal: bool,
}

/// A machine of this process ended by a fault of QEMU's own.
static CRASHED: AtomicBool = AtomicBool::new(false);

/// Runs a case that meets a fault of QEMU's own: its MTP camera may crash the whole machine when a file is deleted, as it
/// watches the folder at the same time. The case is run again then, and only then.
pub fn again_if_qemu_crashes(case: fn()) {
    for _ in 0..2 {
        let Err(panic) = std::panic::catch_unwind(case) else {
            return;
        };
        if !CRASHED.swap(false, Ordering::SeqCst) {
            std::panic::resume_unwind(panic);
        }
        println!("the case is run again");
    }
    case();
}

/// A running machine. It is killed when dropped, and by the kernel when the test's thread ends.
pub struct Qemu {
    child: Child,
    qmp: BufReader<UnixStream>,
    dir: PathBuf,
}

impl Qemu {
    /// Starts it in `dir`; the second value is the host's end of the agent's port.
    pub fn start(machine: &Machine<'_>, dir: &Path) -> (Self, UnixStream) {
        let (qmp, agent) = (dir.join("qmp"), dir.join("agent"));
        for socket in [&qmp, &agent] {
            let _ = fs::remove_file(socket);
        }
        let log = File::create(dir.join("qemu.log")).unwrap();
        let mut child = command(machine, dir)
            .stdin(if machine.terminal {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .stdout(if machine.terminal {
                Stdio::inherit()
            } else {
                Stdio::from(log.try_clone().unwrap())
            })
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv: {error}; next step: make setup"));
        let limit = Instant::now() + START_LIMIT;
        let mut connect = |path: &Path| loop {
            if let Ok(stream) = UnixStream::connect(path) {
                return stream;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > limit {
                let said = fs::read_to_string(dir.join("qemu.log")).unwrap();
                panic!(
                    "QEMU did not start ({ended:?}): {said}\nis it installed? next step: make setup"
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (qmp, agent) = (connect(&qmp), connect(&agent));
        qmp.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut qemu = Self {
            child,
            qmp: BufReader::new(qmp),
            dir: dir.to_owned(),
        };
        qemu.line();
        qemu.qmp("qmp_capabilities", json!({}));
        (qemu, agent)
    }

    /// Sends one QMP command and panics on its error. Events before the answer are skipped.
    #[track_caller]
    pub fn qmp(&mut self, command: &str, arguments: Value) -> Value {
        match self.try_qmp(command, arguments) {
            Ok(value) => value,
            Err(error) => panic!("QMP {command}: {error}"),
        }
    }

    pub fn try_qmp(&mut self, command: &str, arguments: Value) -> Result<Value, String> {
        let mut request = json!({"execute": command, "arguments": arguments}).to_string();
        request.push('\n');
        self.qmp.get_mut().write_all(request.as_bytes()).unwrap();
        loop {
            let mut answer = self.line();
            if answer["error"].is_object() {
                return Err(answer["error"]["desc"].to_string());
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        let read = self.qmp.read_line(&mut line);
        let read = read.unwrap_or_else(|error| panic!("QEMU does not answer: {error}"));
        assert!(read > 0, "QEMU has gone: {}", self.said());
        serde_json::from_str(&line).unwrap()
    }

    /// Stops the machine, writes its state to a file, from which it can be resumed with the same disks, and ends it.
    pub fn save(mut self, state: &Path) {
        self.qmp("stop", json!({}));
        self.qmp(
            "migrate-set-parameters",
            json!({"max-bandwidth": 1_u64 << 40}),
        );
        self.qmp(
            "migrate",
            json!({"uri": format!("exec:cat >'{}'", state.display())}),
        );
        self.finish_migration();
        self.qmp("quit", json!({}));
        self.child.wait().unwrap();
    }

    fn finish_migration(&mut self) {
        let limit = Instant::now() + Duration::from_mins(2);
        loop {
            let now = self.qmp("query-migrate", json!({}));
            match now["status"].as_str() {
                Some("completed") => return,
                Some("failed" | "cancelled") => {
                    panic!("the machine's state cannot be moved: {now}")
                }
                _ => assert!(
                    Instant::now() < limit,
                    "the machine's state takes too long: {now}"
                ),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Continues a resumed machine once its state has been read.
    pub fn continue_running(&mut self) {
        let limit = Instant::now() + Duration::from_mins(2);
        loop {
            let now = self.qmp("query-status", json!({}));
            match now["status"].as_str() {
                Some("running") => return,
                Some("inmigrate") => {}
                _ => {
                    self.qmp("cont", json!({}));
                }
            }
            assert!(
                Instant::now() < limit,
                "the machine does not continue: {now}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Cuts the power: nothing is flushed, and the guest gets no warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the machine ends on its own, as after `poweroff` on the terminal.
    pub fn wait(mut self) {
        self.child.wait().unwrap();
    }

    /// The last output of QEMU and of the guest's console.
    pub fn said(&self) -> String {
        let tail = |name: &str| {
            let bytes = fs::read(self.dir.join(name)).unwrap_or_default();
            let from = bytes.len().saturating_sub(4_000);
            String::from_utf8_lossy(&bytes[from..]).into_owned()
        };
        format!("QEMU: {}\nconsole: {}", tail("qemu.log"), tail("console"))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait()
            && let Some(signal) = status.signal()
            && [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT].contains(&signal)
        {
            println!("QEMU itself crashed: {status}");
            CRASHED.store(true, Ordering::SeqCst);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Software emulation only: cases must run the same on every machine.
fn command(machine: &Machine<'_>, dir: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args([
        "-M",
        "q35",
        "-nodefaults",
        "-display",
        "none",
        "-no-user-config",
    ]);
    command.args([
        "-accel",
        "tcg,thread=multi,tb-size=256",
        "-cpu",
        // Emulated without wide vectors and long `rep movsb`, programs choose loops that cost a sixth less.
        "max,-avx,-avx2,-erms,-fsrm",
        // Emulated processors that share memory cost a third more each; what runs side by side is tried outside the guest.
        "-smp",
        "1",
        "-m",
        "1024",
    ]);
    let masked = if machine.terminal {
        ""
    } else {
        " systemd.mask=serial-getty@ttyS0.service"
    };
    command.arg("-kernel").arg(machine.image.join("vmlinuz"));
    command.arg("-initrd").arg(machine.image.join("initrd"));
    command.arg("-append").arg(format!(
        "root=/dev/vda rw console=ttyS0 quiet loglevel=4 mitigations=off no5lvl panic=-1{masked}"
    ));
    for (id, disk) in ["root", "store"].into_iter().zip(&machine.disks) {
        let at = match disk {
            Disk::Kept(path) => format!("file={},discard=unmap,cache=unsafe", path.display()),
            Disk::Scratch(path) => format!("file={},snapshot=on", path.display()),
            Disk::Nbd(path) => format!(
                "file.driver=nbd,file.server.type=unix,file.server.path={}",
                path.display()
            ),
        };
        command.args(["-drive", &format!("if=none,id={id},format=raw,{at}")]);
        command.args(["-device", &format!("virtio-blk-pci,drive={id}")]);
    }
    let socket = |name: &str| format!("path={},server=on,wait=off", dir.join(name).display());
    command.args([
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtserialport,chardev=agent,name=camdock.agent",
    ]);
    command.args(["-chardev", &format!("socket,id=agent,{}", socket("agent"))]);
    command.args([
        "-chardev",
        &format!("socket,id=qmp,{}", socket("qmp")),
        "-mon",
        "chardev=qmp,mode=control",
    ]);
    command.args([
        "-device",
        "qemu-xhci,id=xhci,p2=8,p3=8",
        "-device",
        "virtio-rng-pci",
    ]);
    if machine.terminal {
        command.args([
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
        ]);
    } else {
        command.args([
            "-serial",
            &format!("file:{}", dir.join("console").display()),
        ]);
    }
    if let Some(state) = machine.resume {
        command
            .arg("-incoming")
            .arg(format!("exec:cat '{}'", state.display()));
    }
    // Scratch disks keep their temporary files there.
    command.env("TMPDIR", dir);
    command
}
