//! Compares a document with a catalogue, and makes the rule set of it.

use std::collections::HashMap;

use serde_json::Value;

use crate::block::{ActionBlock, OutputBlock, RuleBlock, Text};
use crate::catalogue::CONTEXTS;
use crate::condition::Condition;
use crate::diagnostic::{Context, Findings};
use crate::matching::Criteria;
use crate::parameters::{ParameterError, Schema};
use crate::yaml::Node;
use crate::{Action, ActionnerName, Catalogue, Diagnostic, OutputUse, OutputUseSite, Position, Rule, nearest};

pub(crate) fn check(
    rules: Vec<RuleBlock>,
    warnings: Vec<Diagnostic>,
    catalogue: &Catalogue,
) -> Result<(Vec<Rule>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut checker = Checker {
        catalogue,
        actionner_schemas: Schemas::new(),
        output_schemas: Schemas::new(),
        findings: Findings::default(),
    };
    checker.findings.append(warnings);
    let rules = rules.into_iter().filter_map(|rule| checker.rule(rule)).collect();
    let findings = checker.findings;
    if findings.has_errors() {
        return Err(findings.into_list());
    }
    Ok((rules, findings.into_list()))
}

/// By name. Compiled once each, as most rules use the same few; an error is reported to each user.
type Schemas<'a> = HashMap<&'a str, Result<Schema<'a>, String>>;

struct Checker<'a> {
    catalogue: &'a Catalogue,
    actionner_schemas: Schemas<'a>,
    output_schemas: Schemas<'a>,
    findings: Findings,
}

impl<'a> Checker<'a> {
    /// Nothing where something is wrong; all of it has been reported then.
    fn rule(&mut self, block: RuleBlock) -> Option<Rule> {
        let context = Context::rule(block.name.as_str());
        self.notifiers(&block.notifiers, &context);
        self.breadth(&block, &context);
        let written = block.actions.len();
        let actions: Vec<Action> = block.actions.iter().filter_map(|action| self.action(action, &context)).collect();
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
            max_age: block.max_age,
            notifiers: block.notifiers.iter().map(|name| name.as_str().to_lowercase()).collect(),
            actions,
            position: block.name.at,
            criteria: Criteria {
                rules: criteria.rules.iter().map(owned).collect(),
                output_fields: criteria.output_fields.into_iter().map(|group| group.conditions).collect(),
                priority: criteria.priority.map(|priority| priority.filter),
                source: criteria.source.as_ref().map(owned),
                tags: criteria.tags.into_iter().map(|group| group.tags).collect(),
            },
        })
    }

    fn notifiers(&mut self, names: &[Text], context: &Context) {
        let is_known = |name: &Text| self.catalogue.notifiers.contains(&name.as_str().to_lowercase());
        for name in names.iter().filter(|name| !is_known(name)) {
            let hint = nearest::hint(name.as_str(), self.catalogue.notifiers.iter().map(String::as_str));
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
                self.findings.warn(context, Some(&group.written.at), message);
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
        let Some((known, spec)) = catalogue.actionners.get_key_value(actionner.as_str()) else {
            let names = catalogue.actionners.keys().map(ActionnerName::as_str);
            let hint = nearest::suggestion(actionner.as_str(), names);
            let message = format!("unknown actionner{hint}");
            self.findings.error(&context, Some(&actionner.at), message);
            return None;
        };
        let node = block.parameters.as_ref();
        let parameters = check_parameters(&mut self.actionner_schemas, known, &spec.parameters, node);
        let parameters = self.told(parameters, &actionner.at, &context);
        let output = self.output(spec.output, block, &context);
        Some(Action {
            name: owned(&block.name),
            description: block.description.as_ref().map(owned).unwrap_or_default(),
            actionner: known.clone(),
            parameters: parameters?,
            continues: block.continues.map_or(spec.continue_by_default, |flag| flag.0),
            continue_as_written: block.continues.map(|flag| flag.0),
            ignore_errors: block.ignore_errors.is_some_and(|flag| flag.0),
            ignore_errors_as_written: block.ignore_errors.map(|flag| flag.0),
            retry: block.retry,
            additional_contexts: block.additional_contexts.iter().map(owned).collect(),
            output: output?,
            position: block.at.clone(),
        })
    }

    fn contexts(&mut self, names: &[Text], context: &Context) {
        for name in names.iter().filter(|name| !CONTEXTS.contains(&name.as_str())) {
            let message = format!("unknown context '{}'{}", name.as_str(), nearest::hint(name.as_str(), CONTEXTS));
            self.findings.error(context, Some(&name.at), message);
        }
    }

    /// Nothing where something is wrong, else the output if the action has one.
    fn output(&mut self, usage: OutputUse, block: &ActionBlock, context: &Context) -> Option<Option<OutputUseSite>> {
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
        let outputs = &self.catalogue.outputs;
        let Some((known, schema)) = outputs.get_key_value(target.as_str()) else {
            let hint = nearest::hint(target.as_str(), outputs.keys().map(String::as_str));
            let message = format!("unknown target{hint}");
            self.findings.error(&context, Some(&target.at), message);
            return None;
        };
        let node = output.parameters.as_ref();
        let parameters = check_parameters(&mut self.output_schemas, known, schema, node);
        let parameters = self.told(parameters, &target.at, &context)?;
        Some(OutputUseSite { target: owned(target), parameters })
    }

    /// The parameters, or nothing once each error is reported where it was made or, failing that, at
    /// the last place.
    fn told(
        &mut self,
        result: Result<Value, Vec<ParameterError>>,
        last: &Position,
        context: &Context,
    ) -> Option<Value> {
        let errors = match result {
            Ok(parameters) => return Some(parameters),
            Err(errors) => errors,
        };
        for error in errors {
            let at = error.at.as_ref().unwrap_or(last);
            self.findings.error(context, Some(at), error.message);
        }
        None
    }
}

fn check_parameters<'a>(
    schemas: &mut Schemas<'a>,
    name: &'a str,
    schema: &'a Value,
    node: Option<&Node>,
) -> Result<Value, Vec<ParameterError>> {
    match schemas.entry(name).or_insert_with(|| Schema::new(schema)) {
        Ok(schema) => schema.check(node),
        Err(error) => {
            let message = format!("the schema of the parameters of '{name}' is wrong: {error}");
            Err(vec![ParameterError { message, at: None }])
        }
    }
}

fn owned(text: &Text) -> String {
    text.as_str().to_owned()
}
