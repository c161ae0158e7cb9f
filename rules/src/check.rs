//! Compares a document with a catalogue, and makes the rule set of it.

use std::collections::HashMap;

use serde_json::Value;

use crate::catalogue::CONTEXTS;
use crate::condition::Condition;
use crate::diagnostic::{Context, Findings};
use crate::document::{ActionBlock, Document, OutputBlock, RuleBlock, Text};
use crate::matching::Criteria;
use crate::parameters::Schema;
use crate::yaml::Node;
use crate::{
    Action, Catalogue, Diagnostic, OutputUse, OutputUseSite, Position, Rule, RuleSet, nearest,
};

pub(crate) fn check(
    document: Document,
    catalogue: &Catalogue,
) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut checker = Checker {
        catalogue,
        schemas: HashMap::new(),
        findings: Findings::default(),
    };
    checker.findings.append(document.warnings);
    let rules = document
        .rules
        .into_iter()
        .filter_map(|rule| checker.rule(rule))
        .collect();
    let findings = checker.findings;
    if findings.has_errors() {
        return Err(findings.into_list());
    }
    Ok((RuleSet::new(rules), findings.into_list()))
}

struct Checker<'a> {
    catalogue: &'a Catalogue,
    /// Compiled once each, as most rules use the same few. An error is told by each user.
    schemas: HashMap<*const Value, Result<Schema<'a>, String>>,
    findings: Findings,
}

impl<'a> Checker<'a> {
    /// Nothing where something is wrong; all of it has been told then.
    fn rule(&mut self, block: RuleBlock) -> Option<Rule> {
        let context = Context::rule(block.name.as_str());
        self.notifiers(&block.notifiers, &context);
        self.breadth(&block, &context);
        let written = block.actions.len();
        let actions: Vec<Action> = block
            .actions
            .iter()
            .filter_map(|action| self.action(action, &context))
            .collect();
        if actions.len() < written {
            return None;
        }
        let criteria = block.criteria;
        Some(Rule {
            name: owned(&block.name),
            description: block.description.as_ref().map(owned).unwrap_or_default(),
            continues: block.continues.is_none_or(|flag| flag.0),
            continue_as_written: block.continues.map(|flag| flag.0),
            dry_run: block.dry_run.is_some_and(|flag| flag.0),
            dry_run_as_written: block.dry_run.map(|flag| flag.0),
            notifiers: block.notifiers.iter().map(owned).collect(),
            actions,
            position: block.name.at,
            criteria: Criteria {
                rules: criteria.rules.iter().map(owned).collect(),
                output_fields: criteria
                    .output_fields
                    .into_iter()
                    .map(|group| group.conditions)
                    .collect(),
                priority: criteria.priority.map(|priority| priority.filter),
                source: criteria.source.as_ref().map(owned),
                tags: criteria.tags.into_iter().map(|group| group.tags).collect(),
            },
        })
    }

    fn notifiers(&mut self, names: &[Text], context: &Context) {
        for name in names
            .iter()
            .filter(|name| !self.catalogue.notifiers.contains(name.as_str()))
        {
            let hint = nearest::hint(
                name.as_str(),
                self.catalogue.notifiers.iter().map(String::as_str),
            );
            let message = format!("unknown notifier '{}'{hint}", name.as_str());
            self.findings.error(context, Some(&name.at), message);
        }
    }

    /// Warns of rules that answer more events than their author may think.
    fn breadth(&mut self, rule: &RuleBlock, context: &Context) {
        let criteria = &rule.criteria;
        if criteria.is_empty() {
            let message = "this rule matches every event, as it has no 'match'";
            self.findings.warn(context, Some(&rule.name.at), message);
        }
        if !criteria.rules.is_empty() || !criteria.tags.is_empty() || criteria.source.is_some() {
            return;
        }
        for group in &criteria.output_fields {
            if group.conditions.iter().all(Condition::holds_without_field) {
                let message = "'!=' is true for events without the field too, and nothing else here narrows \
                               down the events; add 'exists', or name rules, tags or a source";
                self.findings
                    .warn(context, Some(&group.written.at), message);
            }
        }
    }

    fn action(&mut self, block: &ActionBlock, context: &Context) -> Option<Action> {
        let context = context.action(block.name.as_str());
        // A document whose action has no actionner is not made.
        let actionner = block.actionner.as_ref()?;
        let context = context.actionner(actionner.as_str());
        self.contexts(&block.additional_contexts, &context);
        let catalogue = self.catalogue;
        let Some(spec) = catalogue.actionners.get(actionner.as_str()) else {
            let names = catalogue
                .actionners
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>();
            let hint = nearest::nearest(actionner.as_str(), &names);
            let hint = hint.map_or(String::new(), |name| format!("; did you mean '{name}'?"));
            self.findings.error(
                &context,
                Some(&actionner.at),
                format!("unknown actionner{hint}"),
            );
            return None;
        };
        let parameters = self.parameters(
            &spec.parameters,
            block.parameters.as_ref(),
            &actionner.at,
            &context,
        );
        let output = self.output(spec.output, block, &context);
        Some(Action {
            name: owned(&block.name),
            description: block.description.as_ref().map(owned).unwrap_or_default(),
            actionner: owned(actionner),
            parameters: parameters?,
            continues: block
                .continues
                .map_or(spec.continue_by_default, |flag| flag.0),
            continue_as_written: block.continues.map(|flag| flag.0),
            ignore_errors: block.ignore_errors.is_some_and(|flag| flag.0),
            ignore_errors_as_written: block.ignore_errors.map(|flag| flag.0),
            additional_contexts: block.additional_contexts.iter().map(owned).collect(),
            output: output?,
            position: block.at.clone(),
        })
    }

    fn contexts(&mut self, names: &[Text], context: &Context) {
        for name in names
            .iter()
            .filter(|name| !CONTEXTS.contains(&name.as_str()))
        {
            let message = format!(
                "unknown context '{}'{}",
                name.as_str(),
                nearest::hint(name.as_str(), CONTEXTS)
            );
            self.findings.error(context, Some(&name.at), message);
        }
    }

    /// Nothing where something is wrong, else the output if the action has one.
    fn output(
        &mut self,
        usage: OutputUse,
        block: &ActionBlock,
        context: &Context,
    ) -> Option<Option<OutputUseSite>> {
        let Some(output) = &block.output else {
            if usage == OutputUse::Required {
                let names: Vec<&str> = self.catalogue.outputs.keys().map(String::as_str).collect();
                let message = format!("an output is required; valid targets: {}", names.join(", "));
                self.findings.error(context, Some(&block.name.at), message);
                return None;
            }
            return Some(None);
        };
        if usage == OutputUse::None {
            let message = "this actionner yields nothing that an output could take";
            self.findings.error(context, Some(&output.at), message);
            return None;
        }
        self.output_site(output, context).map(Some)
    }

    fn output_site(&mut self, output: &OutputBlock, context: &Context) -> Option<OutputUseSite> {
        let target = output.target.as_ref()?;
        let context = context.output(target.as_str());
        let Some(schema) = self.catalogue.outputs.get(target.as_str()) else {
            let hint = nearest::hint(
                target.as_str(),
                self.catalogue.outputs.keys().map(String::as_str),
            );
            self.findings
                .error(&context, Some(&target.at), format!("unknown target{hint}"));
            return None;
        };
        let parameters =
            self.parameters(schema, output.parameters.as_ref(), &target.at, &context)?;
        Some(OutputUseSite {
            target: owned(target),
            parameters,
        })
    }

    fn parameters(
        &mut self,
        schema: &'a Value,
        node: Option<&Node>,
        at: &Position,
        context: &Context,
    ) -> Option<Value> {
        let compiled = self
            .schemas
            .entry(std::ptr::from_ref(schema))
            .or_insert_with(|| Schema::new(schema));
        let errors = match compiled {
            Ok(schema) => match schema.check(node) {
                Ok(parameters) => return Some(parameters),
                Err(errors) => errors,
            },
            Err(error) => {
                let message = format!("the schema of its parameters is wrong: {error}");
                self.findings.error(context, Some(at), message);
                return None;
            }
        };
        for error in errors {
            self.findings.error(
                context,
                Some(error.at.as_ref().unwrap_or(at)),
                error.message,
            );
        }
        None
    }
}

fn owned(text: &Text) -> String {
    text.as_str().to_owned()
}
