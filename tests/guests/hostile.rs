//! What every hostile guest is made of, but for the one thing that it does wrong.
//!
//! Included by each of them, since a guest depends on nothing but the SDK.

use std::collections::BTreeMap;

use falco_talon_sdk::Description;

/// The least that a component says of itself.
pub(crate) const fn described(name: &'static str, example: &'static str) -> Description {
    Description {
        name,
        version: "1.0.0",
        summary: "Do harm",
        example,
        parameters_schema: r#"{"type": "object", "additionalProperties": false}"#,
        ..Description::DEFAULT
    }
}

/// It takes none.
pub(crate) type Parameters = BTreeMap<String, String>;

/// A whole guest, of its name and `fn run(&Event) -> Result<Outcome, Failure>`.
macro_rules! guest {
    ($name:literal) => {
        struct Guest;

        falco_talon_sdk::export!(Guest);

        impl falco_talon_sdk::Actionner for Guest {
            const DESCRIPTION: falco_talon_sdk::Description =
                hostile::described($name, concat!("{action: Do harm, actionner: '", $name, "'}"));

            type Parameters = hostile::Parameters;

            fn run(
                event: &falco_talon_sdk::Event,
                _: &Self::Parameters,
                _: &falco_talon_sdk::Context,
            ) -> Result<falco_talon_sdk::Outcome, falco_talon_sdk::Failure> {
                run(event)
            }
        }
    };
}
