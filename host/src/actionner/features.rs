//! Which features of WebAssembly a component uses that the engine does not run.
//!
//! Knows nothing of the contract; the limits of the engine's places are its own.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::file::FileError;

/// Why the engine does not run a component.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Its end is missing.
    #[error(transparent)]
    Truncated(#[from] FileError),
    /// It breaks a rule of WebAssembly.
    #[error("the component is not valid WebAssembly: {message} (at byte {at}): build or copy it anew")]
    Invalid {
        /// The parser's words.
        message: String,
        /// Where.
        at: usize,
    },
    /// It is valid, and its interfaces can't be made out.
    #[error("the component's interfaces can't be read: {0}: build it with a newer toolchain")]
    Undecoded(String),
    /// It is valid for other engines.
    #[error("the component uses {}, which this host does not run: build it without", .0.join(" and "))]
    Features(Vec<&'static str>),
}

/// What the engine runs, as it is built: it has neither a garbage collector nor threads.
pub(super) const OF_ENGINE: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES.union(WasmFeatures::EXCEPTIONS).union(WasmFeatures::THREADS));

/// The names of what the engine may not run, as toolchains spell the option.
const NAMES: [(WasmFeatures, &str); 13] = [
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exceptions of the old proposal"),
    (WasmFeatures::GC, "garbage collection (GC)"),
    (WasmFeatures::GC_TYPES, "garbage collection (GC)"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::THREADS, "threads (atomic instructions or shared memory)"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "threads (shared-everything-threads)"),
    (WasmFeatures::MEMORY64, "memory of 64-bit addresses (memory64)"),
    (WasmFeatures::MULTI_MEMORY, "several memories in one module (multi-memory)"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "pages of a size of its own (custom-page-sizes)"),
];

/// What the component model itself has that was not there when it was first published.
const OF_COMPONENTS: WasmFeatures = WasmFeatures::CM_ASYNC
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CM_ERROR_CONTEXT);

/// That `component` is valid with the features that the engine runs.
///
/// # Errors
///
/// Every feature that it uses beyond those, or what is wrong with it.
pub(super) fn check(component: &[u8], engine: WasmFeatures) -> Result<(), CodeError> {
    let (mut features, mut names) = (engine, Vec::new());
    loop {
        let error = match Validator::new_with_features(features).validate_all(component) {
            Ok(_) if names.is_empty() => return Ok(()),
            Ok(_) => return Err(CodeError::Features(names)),
            Err(error) => error,
        };
        // Those that are missing show one after another.
        match error.missing_wasm_feature() {
            Some(missing) if !features.contains(missing) => {
                features |= missing;
                let name = name(missing);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            _ if !names.is_empty() => return Err(CodeError::Features(names)),
            _ => return Err(invalid(component, &error)),
        }
    }
}

/// How many bytes of memory its largest memory has before any of its code runs, if it has one.
pub(super) fn memory_at_start(component: &[u8]) -> Option<u64> {
    let sections = Parser::new(0).parse_all(component).map_while(Result::ok);
    let memories = sections.filter_map(|section| match section {
        Payload::MemorySection(memories) => Some(memories),
        _ => None,
    });
    let bytes = memories.flatten().flatten().map(|memory| {
        // Pages of another size are a feature that the engine does not run.
        memory.initial.saturating_mul(64 << 10)
    });
    bytes.max()
}

fn name(feature: WasmFeatures) -> &'static str {
    match NAMES.iter().find(|(flag, _)| flag.contains(feature)) {
        Some((_, name)) => name,
        None if OF_COMPONENTS.contains(feature) => "asynchronous functions of the component model (as WASI 0.3 does)",
        None => "a feature of WebAssembly that is still a proposal",
    }
}

/// What is wrong with the bytes themselves.
fn invalid(component: &[u8], error: &wasmparser::Error) -> CodeError {
    if error.message().starts_with("unexpected end") {
        return FileError::Truncated(component.len()).into();
    }
    // One line, whatever names of the component are in it.
    let message = error.message().replace(char::is_control, " ");
    CodeError::Invalid { message, at: error.offset() }
}
