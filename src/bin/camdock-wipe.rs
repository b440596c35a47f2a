fn main() -> std::process::ExitCode {
    camdock::root::wipe::main()
}
