//! orderwire: the binary. One image, one chart, one `--help`.

fn main() -> std::process::ExitCode {
    orderwire::cli::main()
}
