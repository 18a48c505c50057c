//! Conditions of routes: one expression over the same names as the words.

use super::env::{Absent, environment, explain};
use super::facts::facts;
use super::load::unknown_name;
use super::sample;
use super::value::{Use, names};
use super::{ExtraLinks, Telling};
use crate::domain::channel::Audience;
use crate::domain::clock::Timestamp;
use crate::domain::milestone::Subject;
use crate::domain::order::Order;
use crate::domain::shop::ShopRules;
use minijinja::Environment;
use minijinja::value::Value;

const NAME: &str = "when";

/// A route's `when`, compiled. Amounts are numbers here and moments texts in UTC; an absent fact is none,
/// which is false and smaller than any number.
pub struct Condition {
    env: Environment<'static>,
    source: String,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({})", self.source)
    }
}

impl Condition {
    /// Compiles `order.total >= 100 and "vip" in order.tags`.
    ///
    /// # Errors
    /// What is wrong with it, for a person: syntax, or a name that orders do not have, with the nearest one.
    pub fn compile(source: &str) -> Result<Condition, String> {
        if compares_source(source) {
            return Err("`when`: `order.source` has parts and is never equal to a word; write order.source.kind, \
                        order.source.name, order.source.store_code or order.source.store_name"
                .into());
        }
        let mut env = environment(Absent::Refused);
        let names = env
            .compile_expression(source)
            .map(|e| e.undeclared_variables(true))
            .map_err(|e| format!("`when` is no expression: {}", explain(&e)))?;
        let known = known_names();
        for name in names {
            if let Some(problem) = unknown_name(&name, &known, &env) {
                return Err(format!("`when`: {problem}"));
            }
        }
        // Expressions borrow their engine; a template is owned by it.
        let template = format!("{{% if ({source}) %}}1{{% endif %}}");
        env.add_template_owned(NAME, template).map_err(|e| format!("`when`: {}", explain(&e)))?;
        let condition = Condition { env, source: source.to_string() };
        for s in sample::proofs("en") {
            condition.holds(&s.order, &s.rules, "order_placed", &Subject::Order)?;
        }
        Ok(condition)
    }

    /// Whether it holds for this order.
    ///
    /// # Errors
    /// The order itself is not known yet, or values of different kinds are calculated with.
    pub fn holds(&self, order: &Order, rules: &ShopRules, milestone: &str, subject: &Subject) -> Result<bool, String> {
        let telling = Telling {
            milestone,
            joined: &[],
            subject,
            order,
            rules,
            locale: "en",
            section: "",
            audience: Audience::Staff,
            now: Timestamp::UNIX_EPOCH,
            links: ExtraLinks::default(),
        };
        let facts = facts(&telling, Use::Condition).ok_or("the order itself is not known yet")?;
        let template = self.env.get_template(NAME).map_err(|e| explain(&e))?;
        let text = template.render(facts.value()).map_err(|e| format!("`when`: {}", explain(&e)))?;
        Ok(text == "1")
    }
}

/// `order.source` itself stands beside a comparison: that compiles, and is never true.
fn compares_source(source: &str) -> bool {
    source.split("order.source").skip(1).any(|after| {
        let after = after.trim_start();
        after.starts_with("==") || after.starts_with("!=") || after.starts_with("in ")
    })
}

fn known_names() -> Vec<String> {
    let sample = sample::full("en");
    let telling = sample.telling("order_placed", &[], &Subject::Order);
    let facts = facts(&telling, Use::Condition).map(|f| names(&Value::from_object(f)));
    facts.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_that_is_never_true_is_refused() {
        for bad in ["order.source == 'pos'", "'x' in order.tags or order.source != 'web'", "order.source in ['pos']"] {
            assert!(Condition::compile(bad).unwrap_err().contains("order.source.kind"), "{bad}");
        }
        assert!(Condition::compile("order.source.kind == 'pos'").is_ok());
    }
}
