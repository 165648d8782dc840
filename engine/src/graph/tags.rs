//! `--tags` and `--skip-tags`: which steps take part.

/// The selection of a run.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `--tags`; empty means `all`.
    pub only: Vec<String>,
    /// `--skip-tags`.
    pub skip: Vec<String>,
}

impl Selection {
    /// Whether something with these tags takes part.
    pub fn takes(&self, tags: &[String]) -> bool {
        let has = |wanted: &[String], name: &str| wanted.iter().any(|w| w == name);
        let shared = |wanted: &[String]| wanted.iter().any(|w| tags.contains(w));
        let tagged = tags.iter().any(|t| t != "untagged" && t != "always" && t != "never") || has(tags, "always");
        let never = has(tags, "never");
        let wanted = if self.only.is_empty() {
            !never
        } else if shared(&self.only) || has(tags, "always") && !never {
            true
        } else if has(&self.only, "all") {
            !never
        } else {
            has(&self.only, "tagged") && tagged && !never || has(&self.only, "untagged") && tags.is_empty()
        };
        let skipped = shared(&self.skip)
            || has(&self.skip, "all") && !has(tags, "always")
            || has(&self.skip, "tagged") && tagged
            || has(&self.skip, "untagged") && tags.is_empty();
        wanted && !skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_as_documented() {
        let takes = |only: &[&str], skip: &[&str], tags: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(|t| t.to_string()).collect::<Vec<_>>();
            Selection { only: texts(only), skip: texts(skip) }.takes(&texts(tags))
        };
        for (only, skip, tags, expected) in [
            (&[][..], &[][..], &[][..], true),
            (&[], &[], &["never"], false),
            (&["a"], &[], &["a", "never"], true),
            (&["never"], &[], &["never"], true),
            (&["a"], &[], &["b"], false),
            (&["a"], &[], &[], false),
            (&["a"], &[], &["always"], true),
            (&["a"], &["always"], &["always"], false),
            (&["tagged"], &[], &["b"], true),
            (&["tagged"], &[], &[], false),
            (&["untagged"], &[], &[], true),
            (&["untagged"], &[], &["b"], false),
            (&["all"], &[], &["never"], false),
            (&[], &["a"], &["a", "b"], false),
            (&[], &["tagged"], &["b"], false),
            (&[], &["untagged"], &[], false),
        ] {
            assert_eq!(takes(only, skip, tags), expected, "tags {only:?} skip {skip:?} of {tags:?}");
        }
    }
}
