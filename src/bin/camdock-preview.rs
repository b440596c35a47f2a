fn main() -> std::process::ExitCode {
    camdock::ingest::preview_worker_main(&camdock::preview::work)
}
