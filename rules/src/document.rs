//! Rule files as data: parsed, merged and inherited, and not yet compared with what there is to use.

use std::collections::BTreeSet;

use crate::block::RuleBlock;
use crate::diagnostic::{Context, Findings};
use crate::{ActionnerName, Catalogue, Diagnostic, Rule, Source};
use crate::{check, merge, print, read};

/// All rules of some files, complete in themselves.
#[derive(Debug)]
pub struct Document {
    rules: Vec<RuleBlock>,
    warnings: Vec<Diagnostic>,
}

impl Document {
    /// Reads the files in this order. On failure all findings are returned, the warnings too.
    pub fn parse(files: &[Source]) -> Result<Document, Vec<Diagnostic>> {
        let mut findings = Findings::default();
        if files.is_empty() {
            findings.error(&Context::default(), None, "no rule file is provided");
        }
        // Every file is read before giving up, and nothing is merged if one could not be read: its
        // missing blocks would look like mistakes of the others.
        let blocks: Vec<_> = files.iter().map(|file| read::blocks(file, &mut findings)).collect();
        let Some(blocks) = blocks.into_iter().collect::<Option<Vec<_>>>() else {
            return Err(findings.into_list());
        };
        let rules = merge::merge(blocks.into_iter().flatten(), &mut findings);
        if findings.has_errors() {
            return Err(findings.into_list());
        }
        Ok(Document { rules, warnings: findings.into_list() })
    }

    /// What may not be meant. [`Document::check`] returns these too.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The names of the actionners that the rules use.
    pub fn actionners(&self) -> BTreeSet<ActionnerName> {
        let actions = self.rules.iter().flat_map(|rule| &rule.actions);
        // Without a name, or with one that is wrong, there is no document.
        actions.filter_map(|action| action.actionner.as_ref()?.as_str().parse().ok()).collect()
    }

    /// The rules as one file that has no action blocks and means the same.
    pub fn to_yaml(&self) -> String {
        print::document(&self.rules)
    }

    /// Compares the rules with what there is to use. On failure all findings are returned, on
    /// success the warnings.
    pub fn check(self, catalogue: &Catalogue) -> Result<(Vec<Rule>, Vec<Diagnostic>), Vec<Diagnostic>> {
        check::check(self.rules, self.warnings, catalogue)
    }
}
