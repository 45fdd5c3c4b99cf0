//! The `credvend` binary.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Wipes each block of memory when it is freed, because the libraries for HTTP, TLS, XML and signing copy secrets.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    credvend::main(std::env::args_os())
}
