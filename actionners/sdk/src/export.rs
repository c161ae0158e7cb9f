//! `export!`: how an actionner becomes the component's one export, and is tested for what it says of itself.
//!
//! Does not know what the actionner does.

use crate::Description;

/// Makes a type that implements [`Actionner`](crate::Actionner) the component's one export: `export!(Mark);`, once in a
/// crate.
///
/// It brings two tests as well, in a module `exported`, of which nothing is in the component. They fail
///
/// - where the parameters and their schema don't agree, for which see
///   [`schema::disagreements`](crate::schema::disagreements);
/// - where the example is one of another actionner.
#[macro_export]
macro_rules! export {
    ($actionner:ident) => {
        $crate::bindings::export!($actionner with_types_in $crate::bindings);

        #[cfg(test)]
        mod exported {
            type Exported = super::$actionner;
            type Parameters = <Exported as $crate::Actionner>::Parameters;

            const DESCRIPTION: $crate::Description = <Exported as $crate::Actionner>::DESCRIPTION;

            #[test]
            fn the_schema_and_the_struct_agree() {
                let disagreements = $crate::schema::disagreements::<Parameters>(DESCRIPTION.parameters_schema);
                ::core::assert!(disagreements.is_empty(), "{disagreements:#?}");
            }

            #[test]
            fn the_example_is_its_own() {
                let $crate::Description { name, example, .. } = DESCRIPTION;
                ::core::assert!(DESCRIPTION.has_example_of_its_own(), "'actionner: {name}' is not in\n{example}");
            }
        }
    };
}

impl Description {
    /// For tests: whether the example's `actionner:` is this one.
    ///
    /// Looks at the words of it, without a reader of YAML, so that no author needs one.
    #[must_use]
    pub fn has_example_of_its_own(&self) -> bool {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
        let words = self.example.split(|c| !is_inner(c)).map(|word| word.trim_matches(':'));
        let words = words.filter(|word| !word.is_empty());
        words.clone().zip(words.skip(1)).any(|pair| pair == ("actionner", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_names_the_actionner() {
        fn check(example: &'static str, expected: bool) {
            let description = Description { name: "acme:mark", example, ..Description::DEFAULT };
            assert_eq!(description.has_example_of_its_own(), expected, "{example}");
        }
        check("- action: Mark it\n  actionner: acme:mark\n", true);
        check("{action: Mark it, actionner: 'acme:mark', parameters: {}}", true);
        check(r#"{"actionner":"acme:mark"}"#, true);
        check("- action: Mark the actionner\n  actionner: acme:mark", true);
        check("- action: acme:mark\n  actionner: acme:marks", false);
        check("actionner: acme:mark-2", false);
        check("actionner: kubernetes:label # instead of acme:mark", false);
        check("", false);
    }
}
