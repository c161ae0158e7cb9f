//! What a file is that is no component, in words that say what to do about it.
//!
//! Looks at the first bytes, and at what a module imports; nothing is compiled. Knows nothing of the contract.

use wasmparser::{Encoding, ImportSectionReader, Parser, Payload};

/// How all of WebAssembly begins.
const MAGIC: &[u8] = b"\0asm";

/// What comes after it: the version of the format, and whether it is a module or a component.
const HEADER_BYTES: usize = 8;

/// The module that functions of WASI's first preview are imported from.
const PREVIEW1: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

/// A file that is not a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It has no byte.
    #[error("the file is empty: build or copy the component anew")]
    Empty,
    /// A page that a server has answered in place of the file.
    #[error(
        "the file is a page of HTML or XML, as servers answer wrong and protected addresses: download the component itself"
    )]
    Page,
    /// The manifest of a registry, or its error.
    #[error("the file is a JSON text, such as a registry's manifest or error: download the component itself")]
    Json,
    /// What Git keeps in place of a large file.
    #[error("the file is a pointer of Git LFS in place of the component: fetch the component with `git lfs pull`")]
    GitLfs,
    /// Compressed, or in an archive.
    #[error("the file is {0}: unpack the component first")]
    Packed(&'static str),
    /// What macOS leaves beside a file.
    #[error("the file is what macOS keeps beside another one (AppleDouble): delete it")]
    AppleDouble,
    /// Machine code.
    #[error(
        "the file is machine code: a component is not compiled beforehand; build it for WebAssembly, and put the `.wasm` itself here"
    )]
    MachineCode,
    /// The text format.
    #[error("the file is WebAssembly as text (WAT): make a binary component of it with `wasm-tools parse`")]
    Wat,
    /// Anything else.
    #[error("the file is not WebAssembly: build a component with the toolchain of your language, and put it here")]
    Foreign,
    /// A later or earlier format.
    #[error(
        "the file is WebAssembly of a version of the binary format that this host does not read: build it with a newer toolchain"
    )]
    Version,
    /// The usual mistake: what the compiler made, before it became a component.
    #[error("the file is a core module: make a component of it with `wasm-tools component new`")]
    Module,
    /// The same, from a toolchain that knows the first preview of WASI.
    #[error(
        "the file is a core module that imports `wasi_snapshot_preview1`: make a component of it with `wasm-tools component new --adapt wasi_snapshot_preview1.reactor.wasm`, with the adapter of wasmtime's release, or build for `wasm32-wasip2`"
    )]
    Preview1,
    /// Interfaces in binary form.
    #[error("the file is a package of WIT: it has interfaces, and no code; build a component for its world")]
    Package,
    /// Its end is missing.
    #[error("the component ends too early, after {0} bytes: build or copy it anew")]
    Truncated(usize),
}

/// Formats that end up in place of a component, by their first bytes.
const KNOWN: [(&[u8], FileError); 9] = [
    (b"\x1f\x8b", FileError::Packed("compressed with gzip")),
    (b"PK\x03\x04", FileError::Packed("a zip archive")),
    (b"\x28\xb5\x2f\xfd", FileError::Packed("compressed with zstd")),
    (b"\xfd7zXZ\0", FileError::Packed("compressed with xz")),
    (b"BZh", FileError::Packed("compressed with bzip2")),
    (b"\0\x05\x16\x07", FileError::AppleDouble),
    // What wasmtime compiles beforehand has this form too.
    (b"\x7fELF", FileError::MachineCode),
    (b"MZ", FileError::MachineCode),
    (b"version https://git-lfs", FileError::GitLfs),
];

/// Where the mark of a tar archive stands.
const TAR_MARK_AT: usize = 257;
const TAR_MARK: &[u8] = b"ustar";

/// That a file is a component, as far as its beginning shows.
///
/// # Errors
///
/// What it is instead.
pub(super) fn check(bytes: &[u8]) -> Result<(), FileError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(recognize(bytes)) };
    if rest.len() + MAGIC.len() < HEADER_BYTES {
        return Err(FileError::Truncated(bytes.len()));
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding: Encoding::Component, .. })) => Ok(()),
        Some(Ok(_)) if imports_preview1(bytes) => Err(FileError::Preview1),
        Some(Ok(_)) => Err(FileError::Module),
        _ => Err(FileError::Version),
    }
}

/// What a file is that does not begin as WebAssembly does.
fn recognize(bytes: &[u8]) -> FileError {
    if bytes.is_empty() {
        return FileError::Empty;
    }
    if let Some((_, known)) = KNOWN.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return *known;
    }
    if bytes.get(TAR_MARK_AT..).is_some_and(|rest| rest.starts_with(TAR_MARK)) {
        return FileError::Packed("a tar archive");
    }
    match bytes.trim_ascii_start() {
        [b'<', ..] => FileError::Page,
        [b'{' | b'[', ..] => FileError::Json,
        [b'(', ..] | [b';', b';', ..] => FileError::Wat,
        _ => FileError::Foreign,
    }
}

fn imports_preview1(module: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(module).map_while(Result::ok);
    let imports = sections.filter_map(|section| match section {
        Payload::ImportSection(imports) => Some(imports),
        _ => None,
    });
    imports.flat_map(ImportSectionReader::into_imports).flatten().any(|import| PREVIEW1.contains(&import.module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        fn check(bytes: &[u8], expected: FileError) {
            assert_eq!(super::check(bytes), Err(expected));
        }
        let module = |text: &str| wat::parse_str(text).unwrap();
        check(b"", FileError::Empty);
        check(b"<!DOCTYPE html><title>404</title>", FileError::Page);
        check(b"\n <Error><Code>AccessDenied</Code></Error>", FileError::Page);
        check(br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#, FileError::Json);
        check(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", FileError::GitLfs);
        check(b"\x1f\x8b\x08\0", FileError::Packed("compressed with gzip"));
        check(b"PK\x03\x04\x14\0", FileError::Packed("a zip archive"));
        let tar = [&[b'a'; TAR_MARK_AT], TAR_MARK].concat();
        check(&tar, FileError::Packed("a tar archive"));
        check(b"\0\x05\x16\x07", FileError::AppleDouble);
        check(b"\x7fELF\x02\x01", FileError::MachineCode);
        check(b"(module)", FileError::Wat);
        check(b";; a comment\n(component)", FileError::Wat);
        check(b"#!/bin/sh\n", FileError::Foreign);
        check(b"\0asm\x01", FileError::Truncated(5));
        check(b"\0asm but not for long", FileError::Version);
        check(b"\0asm\x02\0\0\0", FileError::Version);
        check(&module("(module)"), FileError::Module);
        let preview1 = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
        check(&module(preview1), FileError::Preview1);
    }
}
