fn main() -> std::process::ExitCode {
    camdock::root::mount::main()
}
