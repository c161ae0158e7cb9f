//! Components that people's toolchains make, made here of WIT and WAT.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// An actionner that does nothing, in parts that a test can change.
pub(crate) struct Probe {
    /// Of the contract that it is built against; empty: none.
    pub(crate) version: &'static str,
    /// The interface `action`.
    pub(crate) action: String,
    /// Further interfaces of the contract's package.
    pub(crate) interfaces: &'static str,
    /// Further packages.
    pub(crate) packages: String,
    /// What its world imports.
    pub(crate) imports: String,
    /// What its world exports.
    pub(crate) exports: &'static str,
    /// What its module imports.
    pub(crate) module_imports: String,
    /// The memory of its module.
    pub(crate) memory: &'static str,
    /// Further parts of its module.
    pub(crate) module: &'static str,
    /// What `run` does before it answers.
    pub(crate) run: &'static str,
    /// The parameters of `run`, flattened.
    pub(crate) run_parameters: usize,
    /// What it says of itself.
    pub(crate) description: &'static str,
}

/// `log` as the contract has it.
pub(crate) const LOG: &str =
    "interface log { enum level { debug, info, warn, error } write: func(level: level, message: string); }";

/// The module's import of it.
pub(crate) fn log_import(version: &str, function: &str, parameters: &str) -> String {
    format!(r#"(import "falco-talon:actionner/log@{version}" "{function}" (func $imported {parameters}))"#)
}

/// The contract's `action`, with some of its words changed.
pub(crate) fn action(from: &str, to: &str) -> String {
    let action = include_str!("../../../../wit/action.wit");
    assert!(action.contains(from), "'{from}' is not in the contract");
    action.replace(from, to)
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            version: "1.0.0",
            action: action("", ""),
            interfaces: "",
            packages: String::new(),
            imports: String::new(),
            exports: "export action;",
            module_imports: String::new(),
            memory: r#"(memory (export "memory") 4)"#,
            module: "",
            run: "",
            run_parameters: 8,
            description: r#"{"name": "probe:one", "version": "1.0.0", "summary": "A probe",
                "example": "{action: Probe, actionner: 'probe:one'}", "parameters_schema": {}}"#,
        }
    }
}

impl Probe {
    /// Another description of the same name.
    pub(crate) const OTHER: &str = r#"{"name": "probe:one", "version": "1.0.1", "summary": "A probe",
        "example": "{action: Probe, actionner: 'probe:one'}", "parameters_schema": {}}"#;

    pub(crate) fn component(&self) -> Vec<u8> {
        let (resolve, world) = {
            let mut resolve = Resolve::new();
            let package = resolve.push_source("probe.wit", &self.wit()).unwrap();
            let world = resolve.select_world(&[package], Some("probe")).unwrap();
            (resolve, world)
        };
        let mut module = wat::parse_str(self.wat()).unwrap_or_else(|error| panic!("{error}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let encoder = ComponentEncoder::default().validate(false).module(&module).unwrap();
        encoder.merge_imports_based_on_semver(false).encode().unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The interfaces alone, as `wasm-tools component wit --wasm` makes them.
    pub(crate) fn package() -> Vec<u8> {
        let mut resolve = Resolve::new();
        let package = resolve.push_source("probe.wit", &Self::default().wit()).unwrap();
        wit_component::encode(&resolve, package).unwrap()
    }

    fn at_version(&self) -> String {
        if self.version.is_empty() { String::new() } else { format!("@{}", self.version) }
    }

    fn wit(&self) -> String {
        let Self { action, interfaces, packages, imports, exports, .. } = self;
        let version = self.at_version();
        format!(
            "package falco-talon:actionner{version};\n{action}\n{interfaces}\nworld probe {{ {imports} {exports} }}\n{packages}"
        )
    }

    /// Where `run` and `describe` answer is fixed: a report with a message, and the description.
    fn wat(&self) -> String {
        let Self { module_imports, memory, module, run, description, .. } = self;
        let action = format!("falco-talon:actionner/action{}", self.at_version());
        let describe = [1024_u32, u32::try_from(description.len()).unwrap()].map(u32::to_le_bytes).concat();
        let report = [[0_u32, 0, 640, 4], [0, 0, 0, 0]].concat().into_iter().flat_map(u32::to_le_bytes);
        let data = |at: usize, bytes: &[u8]| {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            format!("(data (i32.const {at}) \"{bytes}\")")
        };
        let mut text = format!("(module {module_imports} {memory}\n");
        text += &data(512, &describe);
        text += &data(600, &report.collect::<Vec<_>>());
        text += &data(640, b"done");
        text += &data(1024, description.as_bytes());
        text += r#"(global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (local.get $at))"#;
        let is_exported = |function: &str| self.exports.contains("export action") && self.action.contains(function);
        if is_exported("describe: func") {
            text += &format!(r#"(func (export "{action}#describe") (result i32) (i32.const 512))"#);
        }
        if is_exported("run: func") || is_exported("run: async func") {
            let parameters = "i32 ".repeat(self.run_parameters);
            text +=
                &format!(r#"(func (export "{action}#run") (param {parameters}) (result i32) {run} (i32.const 600))"#);
        }
        text + module + ")"
    }
}
