//! `audit verify`: the ledger's report on the record, then every claim in it against people's and agents' signatures.

use super::approvals;
use super::blobs::OfBundle;
use super::changes;
use super::commits;
use super::conclusion::Conclusion;
use super::copies;
use super::executions;
use super::roots::Roots;
use crate::error::CliError;
use ledger::{BundleError, BundleSource, Caveat, Policy, Slug, verify_bundle};

/// Verifies a bundle under a policy, and against an earlier bundle where there is one.
pub fn verify(
    source: &dyn BundleSource,
    policy: &Policy,
    shard: &Slug,
    earlier: Option<&dyn BundleSource>,
) -> Result<Conclusion, CliError> {
    let mut report = verify_bundle(source, policy, shard, earlier)?;
    let evidence = commits::evidence(source, policy, &report.origin, shard)?;
    let blobs = OfBundle(source);
    let roots = Roots::open(&evidence, policy, &blobs);
    let approvals = approvals::check(&evidence, &roots, &blobs);
    let executions = executions::check(&evidence, policy, &blobs);
    let changes = changes::check(&evidence, &approvals, &executions);
    let own = copies::of(&evidence, &blobs);
    let differing = copies::differing(source, &own).map_err(BundleError::List)?;
    // They are checked now.
    report.caveats.retain(|caveat| *caveat != Caveat::StatementsNotChecked);
    Ok(Conclusion::new(report, &roots, approvals, executions, changes, &differing, &evidence))
}

#[cfg(test)]
mod tests {
    use super::super::directory::Directory;
    use super::super::report;
    use super::super::testimony::Testimony;
    use super::super::written_log::write;
    use super::*;
    use ledger::Verdict;
    use std::fs;
    use std::path::Path;

    struct Stand {
        folder: tempfile::TempDir,
        policy: Policy,
    }

    impl Stand {
        fn new(spoil: impl FnOnce(&mut Testimony)) -> anyhow::Result<Self> {
            let mut testimony = Testimony::new()?;
            spoil(&mut testimony);
            let folder = tempfile::tempdir()?;
            write(&testimony, folder.path())?;
            Ok(Self { folder, policy: testimony.policy()? })
        }

        fn path(&self) -> &Path {
            self.folder.path()
        }

        fn verify(&self) -> anyhow::Result<Conclusion> {
            let source = Directory::new(self.path());
            Ok(verify(&source, &self.policy, &"main".parse()?, None)?)
        }
    }

    #[test]
    fn an_untouched_bundle_is_intact_in_four_lines() {
        let stand = Stand::new(|_| {}).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.verdict(), Verdict::Intact, "{text}");
        for line in [
            "record intact: 9 commits",
            "not sealed: the end is unprovable",
            "approvals valid under root 1 of acme: 1 granted",
            "execution claimed by agent spiffe://example.org/tenant/acme/agent/edge: 1 migrate succeeded",
            "asserted by the server only: ",
            "verdict: intact",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let copies = copies::of(
            &commits::evidence(
                &Directory::new(stand.path()),
                &stand.policy,
                &"a.b".parse().unwrap(),
                &"main".parse().unwrap(),
            )
            .unwrap(),
            &OfBundle(&Directory::new(stand.path())),
        );
        assert_eq!(copies.len(), 3);
    }

    #[test]
    fn a_changed_byte_names_the_commit_and_ends_with_7() {
        let stand = Stand::new(|_| {}).unwrap();
        let path = stand.path().join("commits.ndjson");
        let mut bytes = fs::read(&path).unwrap();
        let line = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0;
        bytes[line + 200] ^= 1;
        fs::write(&path, bytes).unwrap();
        let conclusion = stand.verify().unwrap();
        assert_eq!(conclusion.exit() as u8, 7);
        let text = report::text(&conclusion);
        assert!(text.starts_with("record tampered: sequence 3, line 3"), "{text}");
    }

    #[test]
    fn a_lost_commit_is_incomplete_and_so_is_what_stood_on_it() {
        let stand = Stand::new(|_| {}).unwrap();
        let path = stand.path().join("commits.ndjson");
        let text = fs::read_to_string(&path).unwrap();
        let kept: Vec<_> =
            text.split_inclusive('\n').enumerate().filter(|(i, _)| *i != 3).collect();
        let kept: String = kept.into_iter().map(|(_, line)| line).collect();
        fs::write(&path, kept).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.exit() as u8, 8, "{text}");
        assert!(text.contains("record incomplete: sequence 4"), "{text}");
        assert!(text.contains("approvals not verified"), "{text}");
    }

    #[test]
    fn an_intact_record_of_a_forged_grant_still_ends_with_7() {
        let stand = Stand::new(|t| drop(t.approval().signed.pop())).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.report.verdict, Verdict::Intact, "{text}");
        assert_eq!(conclusion.exit() as u8, 7);
        assert!(text.contains("approvals NOT valid: sequence 5, approval apr_"), "{text}");
        assert!(text.contains("1 of 2 people approved"), "{text}");
    }

    #[test]
    fn a_policy_without_the_root_leaves_it_open() {
        let stand = Stand::new(|t| t.pins.clear()).unwrap();
        let conclusion = stand.verify().unwrap();
        assert_eq!(conclusion.exit() as u8, 8);
        let text = report::text(&conclusion);
        assert!(text.contains("the policy names no root 1 of acme"), "{text}");
    }

    #[test]
    fn a_forged_copy_beside_an_intact_log_is_tampering() {
        let stand = Stand::new(|_| {}).unwrap();
        fs::create_dir_all(stand.path().join("trust/acme")).unwrap();
        fs::write(stand.path().join("trust/acme/1.json"), "{}").unwrap();
        let conclusion = stand.verify().unwrap();
        assert_eq!(conclusion.exit() as u8, 7, "{}", report::text(&conclusion));
    }

    #[test]
    fn an_earlier_bundle_shows_what_was_cut_off() {
        let (stand, cut) = (Stand::new(|_| {}).unwrap(), Stand::new(|_| {}).unwrap());
        let lines = fs::read_to_string(stand.path().join("commits.ndjson")).unwrap();
        let kept: String = lines.split_inclusive('\n').take(8).collect();
        fs::remove_dir_all(cut.path().join("blobs")).unwrap();
        fs::rename(stand.path().join("blobs"), cut.path().join("blobs")).unwrap();
        fs::write(cut.path().join("commits.ndjson"), kept).unwrap();
        let manifest = fs::read_to_string(cut.path().join("bundle.json")).unwrap();
        let manifest = manifest.replace("\"tree_size\":9", "\"tree_size\":8");
        fs::write(cut.path().join("bundle.json"), manifest).unwrap();
        let (source, shard) = (Directory::new(cut.path()), "main".parse().unwrap());
        let alone = verify(&source, &stand.policy, &shard, None).unwrap();
        assert_eq!(alone.exit() as u8, 0, "{}", report::text(&alone));
        let earlier = Directory::new(stand.path());
        let compared = verify(&source, &stand.policy, &shard, Some(&earlier)).unwrap();
        let text = report::text(&compared);
        assert_eq!(compared.exit() as u8, 8, "{text}");
        assert!(
            text.contains("sequences 9 to 9 are missing; the earlier bundle has them"),
            "{text}"
        );
    }
}
