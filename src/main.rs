//! orderwire: the binary. One image, one chart, one `--help`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    orderwire::cli::main()
}
