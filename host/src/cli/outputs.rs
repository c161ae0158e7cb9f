//! `outputs list`: where artifacts can go.

use ::outputs::{Entry, Target};

use super::listing::listed;
use super::print::print;

/// List outputs
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the targets that an action's artifacts can be sent to
    List,
}

pub(super) fn run(Command::List: &Command) {
    for target in Target::ALL {
        print(&item(target));
    }
}

fn item(target: Target) -> String {
    let Entry { description, parameters, permissions, example } = target.entry();
    let (category, name) = target.name().split_once(':').unwrap_or_default();
    let items = [
        ("name", name.into()),
        ("category", category.into()),
        ("description", description.into()),
        ("parameters", parameters),
        ("permissions", permissions.into()),
        ("example", example.into()),
    ];
    listed(target.name(), &items)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_target_is_listed_as_the_original_does() {
        expect![[r#"
            --- local:file ---

            name: file
            category: local
            description: Store the artifact in a folder of the host's own file system
            parameters:
                destination (required): ""
            permissions: The host's user must be able to write to the folder
            example: |
                - action: Capture the traffic
                  actionner: kubernetes:tcpdump
                  output:
                    target: local:file
                    parameters:
                      destination: /var/lib/falco-talon/evidence
        "#]]
        .assert_eq(&item(Target::LocalFile));
    }
}
