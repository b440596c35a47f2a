mod shared;

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camdock::upload::StoreConfig;
use tempfile::TempDir;

use super::tools::tool;

const ADMIN: (&str, &str) = ("camdockadmin", "camdockadminsecret");
const REGION: &str = "us-east-1";
/// Once its input ends, or the process $1 if that is a number, it kills the server $2, waits until that is gone, then removes
/// all the other arguments.
const GUARD: &str = r#"if [ "$1" = input ]; then read -r _; else while kill -0 "$1" 2>/dev/null; do sleep 1; done; fi
shift; kill -9 "$1" 2>/dev/null
n=0; while kill -0 "$1" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
shift; rm -rf -- "$@""#;
const START_LIMIT: Duration = Duration::from_mins(1);

/// A second identity and its S3 policy.
pub struct Station {
    pub name: &'static str,
    pub policy: serde_json::Value,
}

impl Station {
    /// One that may do these actions with these resources, such as `evidence/*`, and nothing else.
    pub fn allowing(name: &'static str, allowed: &[(&[&str], &[&str])]) -> Self {
        let statements: Vec<_> = allowed
            .iter()
            .map(|(actions, resources)| {
                let resources: Vec<_> = resources
                    .iter()
                    .map(|resource| format!("arn:aws:s3:::{resource}"))
                    .collect();
                serde_json::json!({"Effect": "Allow", "Action": actions, "Resource": resources})
            })
            .collect();
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
        Self { name, policy }
    }
}

/// A SeaweedFS on loopback, with free ports and a folder that goes with it. Killed on drop, unless it is shared.
pub struct SeaweedFs {
    running: Option<Running>,
    dir: PathBuf,
    /// Removes the folder with the last user of a store of this process.
    own: Option<Arc<TempDir>>,
    ports: Ports,
    tls: Option<(PathBuf, PathBuf)>,
}

/// The server, and a shell that kills it and removes its folder however this process ends: a shared server is never
/// dropped.
struct Running {
    server: Child,
    guard: Child,
}

/// SeaweedFS derives a gRPC port from each HTTP port unless one is given, so all are given.
#[derive(Clone, Copy)]
struct Ports {
    s3: u16,
    s3_grpc: u16,
    /// Only with TLS; S3 then also stays on its plain port.
    s3_tls: u16,
    filer: u16,
    filer_grpc: u16,
    volume: u16,
    volume_grpc: u16,
    master: u16,
    master_grpc: u16,
}

impl SeaweedFs {
    /// Starts it with an administrator only; returns when it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further identities whose keys are `<name>key` and `<name>secret`.
    pub fn start_with(stations: &[Station]) -> Self {
        Self::launch(stations, None)
    }

    /// Also on TLS with this PEM certificate and key; see [`SeaweedFs::tls_endpoint`].
    pub fn start_tls(certificate: &Path, key: &Path) -> Self {
        Self::launch(&[], Some((certificate.to_owned(), key.to_owned())))
    }

    fn launch(stations: &[Station], tls: Option<(PathBuf, PathBuf)>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("camdock-seaweed-")
            .tempdir()
            .unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("s3.json"), identities(stations)).unwrap();
        let mut server = Self {
            running: None,
            dir: dir.path().to_owned(),
            own: Some(Arc::new(dir)),
            ports: Ports::free(),
            tls,
        };
        server.begin(None);
        server
    }

    /// Starts it for this process, or for the process `owner` and all of its children.
    fn begin(&mut self, owner: Option<u32>) {
        // Another process may take a port before the server starts; then it is started once more with other ports.
        for attempt in 1.. {
            match self.spawn(owner) {
                Ok(()) => return,
                Err(why) if attempt == 3 => panic!("SeaweedFS did not start: {why}"),
                Err(_) => self.ports = Ports::free(),
            }
        }
    }

    /// The same server for somebody else to use; it ends with the one that was started.
    pub fn share(&self) -> Self {
        Self {
            running: None,
            dir: self.dir.clone(),
            own: self.own.clone(),
            ports: self.ports,
            tls: self.tls.clone(),
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.s3)
    }

    pub fn tls_endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.s3_tls)
    }

    /// The folder with everything that it stores.
    pub fn folder(&self) -> PathBuf {
        self.dir.clone()
    }

    pub fn s3_port(&self) -> u16 {
        self.ports.s3
    }

    #[allow(clippy::unused_self)]
    pub fn admin_keys(&self) -> (&'static str, &'static str) {
        ADMIN
    }

    /// The administrator's access to `bucket`, with short time limits.
    pub fn config(&self, bucket: &str) -> StoreConfig {
        self.config_as(bucket, ADMIN.0, ADMIN.1)
    }

    /// The access of an identity given to [`SeaweedFs::start_with`].
    pub fn config_of(&self, bucket: &str, station: &str) -> StoreConfig {
        self.config_as(
            bucket,
            &format!("{station}key"),
            &format!("{station}secret"),
        )
    }

    pub fn config_as(&self, bucket: &str, access_key: &str, secret_key: &str) -> StoreConfig {
        let mut config = StoreConfig::new(REGION, bucket, access_key, secret_key);
        config.endpoint = Some(self.endpoint());
        config.path_style = true;
        config.connect_timeout = Duration::from_secs(2);
        config.attempt_timeout = Duration::from_secs(20);
        config
    }

    /// The SDK's own client as the administrator: to prepare, and to check from outside of our code.
    pub fn client(&self) -> aws_sdk_s3::Client {
        self.client_as(ADMIN.0, ADMIN.1)
    }

    /// The same as an identity given to [`SeaweedFs::start_with`].
    pub fn client_of(&self, station: &str) -> aws_sdk_s3::Client {
        self.client_as(&format!("{station}key"), &format!("{station}secret"))
    }

    fn client_as(&self, access: &str, secret: &str) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
        aws_sdk_s3::Client::from_conf(
            Builder::new()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(REGION))
                .credentials_provider(Credentials::new(access, secret, None, None, "test"))
                .endpoint_url(self.endpoint())
                .force_path_style(true)
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }

    pub async fn create_bucket_with_object_lock(&self, name: &str) {
        self.create(name, true).await;
    }

    pub async fn create_bucket(&self, name: &str) {
        self.create(name, false).await;
    }

    async fn create(&self, name: &str, object_lock: bool) {
        let limit = Instant::now() + START_LIMIT;
        loop {
            let made = self
                .client()
                .create_bucket()
                .bucket(name)
                .object_lock_enabled_for_bucket(object_lock)
                .send()
                .await;
            match made {
                Ok(_) => return,
                // Another test process made it in a store that all of them share.
                Err(error) if is_there(&error) => return,
                Err(error) if Instant::now() > limit => panic!("no bucket: {error:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Kills it like a power cut, without a chance to finish anything.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.guard.kill();
            let _ = running.guard.wait();
            let _ = running.server.kill();
            let _ = running.server.wait();
            for socket in self.ports.sockets() {
                let _ = fs::remove_file(socket);
            }
        }
    }

    /// Removes everything that it stored. Only while it is killed.
    pub fn wipe(&self) {
        assert!(self.running.is_none());
        fs::remove_dir_all(self.dir.join("data")).unwrap();
        fs::create_dir(self.dir.join("data")).unwrap();
    }

    /// Starts it again with the same data and ports after [`SeaweedFs::kill`].
    pub fn restart(&mut self) {
        self.spawn(None).unwrap();
    }

    fn spawn(&mut self, owner: Option<u32>) -> Result<(), String> {
        let weed = tool("weed");
        let dir = &self.dir;
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .unwrap();
        let ports = self.ports;
        let mut command = Command::new(&weed);
        command
            .arg(format!("-logdir={}", dir.display()))
            .arg("server")
            .arg(format!("-dir={}", dir.join("data").display()))
            .arg("-ip=127.0.0.1")
            .arg("-s3")
            .arg(format!("-s3.config={}", dir.join("s3.json").display()))
            .arg(format!("-s3.port={}", ports.s3))
            .arg(format!("-s3.port.grpc={}", ports.s3_grpc))
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args([
                "-s3.autoCreateBucket=false",
                "-s3.allowDeleteBucketNotEmpty=false",
            ])
            .arg(format!("-s3.localSocket={}", dir.join("s3.sock").display()))
            .arg(format!(
                "-filer.localSocket={}",
                dir.join("filer.sock").display()
            ))
            .arg(format!("-filer.port={}", ports.filer))
            .arg(format!("-filer.port.grpc={}", ports.filer_grpc))
            .arg(format!("-volume.port={}", ports.volume))
            .arg(format!("-volume.port.grpc={}", ports.volume_grpc))
            .arg(format!("-master.port={}", ports.master))
            .arg(format!("-master.port.grpc={}", ports.master_grpc))
            // Volumes are few and grow as they fill, so that no disk space is reserved.
            .args(["-master.volumeSizeLimitMB=1024", "-volume.max=1024"])
            .args(["-master.telemetry=false", "-volume.preStopSeconds=0"])
            // Its only master elects itself: after a restart it waits for others as long as this (10 s unless told).
            .args([
                "-master.electionTimeout=500ms",
                "-master.heartbeatInterval=100ms",
            ])
            .arg("-volume.minFreeSpace=1")
            .current_dir(dir)
            .env("HOME", dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some((certificate, key)) = &self.tls {
            command
                .arg(format!("-s3.port.https={}", ports.s3_tls))
                .arg(format!("-s3.cert.file={}", certificate.display()))
                .arg(format!("-s3.key.file={}", key.display()));
        }
        let server = command
            .spawn()
            .map_err(|e| format!("{}: {e}", weed.display()))?;
        let watched = owner.map_or("input".into(), |owner| owner.to_string());
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", &watched])
            .arg(server.id().to_string())
            .arg(dir)
            .args(ports.sockets())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("sh: {e}"))?;
        self.running = Some(Running { server, guard });
        let ready = self.wait_until_ready();
        if ready.is_err() {
            self.kill();
        }
        ready
    }

    /// Ready when the S3 port speaks HTTP and the volume server has joined the master.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            if let Some(running) = &mut self.running
                && let Some(status) = running.server.try_wait().unwrap()
            {
                return Err(format!("it ended with {status}:\n{}", self.log_tail()));
            }
            let up = http_get(self.ports.s3, "/").is_some()
                && http_get(self.ports.master, "/dir/assign?count=1")
                    .is_some_and(|answer| answer.contains("\"fid\""));
            if up {
                return Ok(());
            }
            if Instant::now() > limit {
                return Err(format!(
                    "no answer in {START_LIMIT:?}:\n{}",
                    self.log_tail()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.dir.join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(3_000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Ports {
    /// Where the server puts its sockets, whatever its options say.
    fn sockets(&self) -> [PathBuf; 4] {
        [
            ("filer", self.filer_grpc),
            ("master", self.master_grpc),
            ("s3", self.s3_grpc),
            ("volume", self.volume_grpc),
        ]
        .map(|(part, port)| PathBuf::from(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock")))
    }

    /// The ports are held open together while they are chosen, so that no two are the same.
    fn free() -> Self {
        let held: Vec<TcpListener> = (0..9)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = held
            .iter()
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        Self::of(ports.try_into().unwrap())
    }

    fn of(ports: [u16; 9]) -> Self {
        let [
            s3,
            s3_grpc,
            s3_tls,
            filer,
            filer_grpc,
            volume,
            volume_grpc,
            master,
            master_grpc,
        ] = ports;
        Self {
            s3,
            s3_grpc,
            s3_tls,
            filer,
            filer_grpc,
            volume,
            volume_grpc,
            master,
            master_grpc,
        }
    }

    /// As [`Ports::of`] takes them.
    fn all(self) -> [u16; 9] {
        [
            self.s3,
            self.s3_grpc,
            self.s3_tls,
            self.filer,
            self.filer_grpc,
            self.volume,
            self.volume_grpc,
            self.master,
            self.master_grpc,
        ]
    }
}

fn is_there(
    error: &aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::create_bucket::CreateBucketError>,
) -> bool {
    error.as_service_error().is_some_and(|error| {
        error.is_bucket_already_exists() || error.is_bucket_already_owned_by_you()
    })
}

fn identities(stations: &[Station]) -> String {
    let mut identities = vec![serde_json::json!({
        "name": "admin",
        "credentials": [{"accessKey": ADMIN.0, "secretKey": ADMIN.1}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    })];
    let mut policies = Vec::new();
    for station in stations {
        let name = station.name;
        identities.push(serde_json::json!({
            "name": name,
            "credentials": [{"accessKey": format!("{name}key"), "secretKey": format!("{name}secret")}],
            "actions": [],
            "policyNames": [name],
        }));
        policies.push(serde_json::json!({"name": name, "content": station.policy.to_string()}));
    }
    serde_json::json!({"identities": identities, "policies": policies}).to_string()
}

/// A bare HTTP GET on loopback; `None` when nothing answers.
fn http_get(port: u16, path: &str) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let address = ([127, 0, 0, 1], port).into();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}
