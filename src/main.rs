fn main() -> std::process::ExitCode {
    camdock::cli::main()
}
