//! `audit verify`: the ledger's report on the record, then every claim in it against people's and agents' signatures.

use super::approvals;
use super::blobs::{Blobs, OfBundle};
use super::changes;
use super::commits;
use super::conclusion::{Checked, Conclusion};
use super::copies;
use super::evidence::Evidence;
use super::executions;
use super::objection::Objection;
use super::predecessor::Predecessor;
use super::references;
use super::roots::Roots;
use crate::error::CliError;
use ledger::verify::verify_bundle_against;
use ledger::{BundleError, BundleSource, Caveat, Kept, Policy, Report, Slug};

/// Verifies a bundle under a policy, and against what was kept from another time.
pub fn verify(
    source: &dyn BundleSource,
    policy: &Policy,
    shard: &Slug,
    kept: &Kept<'_>,
) -> Result<Conclusion, CliError> {
    let report = verify_bundle_against(source, policy, shard, kept)?;
    let evidence = commits::evidence(source, policy, &report.origin, shard)?;
    let blobs = OfBundle(source);
    let own = copies::of(&evidence, &blobs);
    let copies = copies::differing(source, &own).map_err(BundleError::List)?;
    Ok(concluded(report, &evidence, policy, &blobs, copies))
}

/// What follows from a report and from what its good commits say.
pub fn concluded(
    mut report: Report,
    evidence: &Evidence,
    policy: &Policy,
    blobs: &dyn Blobs,
    copies: Vec<(String, Objection)>,
) -> Conclusion {
    let roots = Roots::open(evidence, policy, blobs);
    let approvals = approvals::check(evidence, &roots, blobs);
    let executions = executions::check(evidence, policy, blobs);
    let changes = changes::check(evidence, &approvals, &executions);
    let broken = references::check(evidence, &report.origin, blobs);
    // They are checked now.
    report.caveats.retain(|caveat| *caveat != Caveat::StatementsNotChecked);
    let said = evidence.predecessor.as_deref();
    let predecessor = said.map(|said| Predecessor::of(said, &report.origin, policy));
    let checked = Checked { approvals, executions, changes, broken, copies, predecessor };
    Conclusion::new(report, &roots, checked, evidence)
}

#[cfg(test)]
mod tests {
    use super::super::directory::Directory;
    use super::super::report;
    use super::super::stand::Stand;
    use super::*;
    use ledger::Verdict;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_untouched_bundle_is_intact_in_four_lines() {
        let stand = Stand::new(|_| {}).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.verdict(), Verdict::Intact, "{text}");
        for line in [
            "record intact: 12 commits",
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
            text.split_inclusive('\n').enumerate().filter(|(i, _)| *i != 5).collect();
        let kept: String = kept.into_iter().map(|(_, line)| line).collect();
        fs::write(&path, kept).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.exit() as u8, 8, "{text}");
        assert!(text.contains("record incomplete: sequence 6"), "{text}");
        assert!(text.contains("approvals not verified"), "{text}");
    }

    #[test]
    fn an_intact_record_of_a_forged_grant_still_ends_with_7() {
        let stand = Stand::new(|t| drop(t.approval().signed.pop())).unwrap();
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.report.verdict, Verdict::Intact, "{text}");
        assert_eq!(conclusion.exit() as u8, 7);
        assert!(text.contains("approvals NOT valid: sequence 7, approval apr_"), "{text}");
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
        let kept: String = lines.split_inclusive('\n').take(11).collect();
        fs::remove_dir_all(cut.path().join("blobs")).unwrap();
        fs::rename(stand.path().join("blobs"), cut.path().join("blobs")).unwrap();
        fs::write(cut.path().join("commits.ndjson"), kept).unwrap();
        let manifest = fs::read_to_string(cut.path().join("bundle.json")).unwrap();
        let manifest = manifest.replace("\"tree_size\":12", "\"tree_size\":11");
        fs::write(cut.path().join("bundle.json"), manifest).unwrap();
        let (source, shard) = (Directory::new(cut.path()), "main".parse().unwrap());
        let alone = verify(&source, &stand.policy, &shard, &Kept::default()).unwrap();
        assert_eq!(alone.exit() as u8, 0, "{}", report::text(&alone));
        let earlier = Directory::new(stand.path());
        let kept = Kept { bundle: Some(&earlier), ..Kept::default() };
        let compared = verify(&source, &stand.policy, &shard, &kept).unwrap();
        let text = report::text(&compared);
        assert_eq!(compared.exit() as u8, 8, "{text}");
        assert!(
            text.contains("sequences 12 to 12 are missing; the earlier bundle has them"),
            "{text}"
        );
    }

    /// What remains of a bundle in which a link stands in the place of `name`.
    fn with_link(name: &str) -> anyhow::Result<(Stand, tempfile::TempDir)> {
        let (stand, outside) = (Stand::new(|_| {})?, tempfile::tempdir()?);
        let (path, moved) = (stand.path().join(name), outside.path().join("moved"));
        fs::rename(&path, &moved)?;
        symlink(&moved, &path)?;
        Ok((stand, outside))
    }

    #[test]
    fn a_link_in_a_bundle_is_tampering_wherever_it_is() {
        for name in ["commits.ndjson", "blobs"] {
            let (stand, _outside) = with_link(name).unwrap();
            let conclusion = stand.verify().unwrap();
            let text = report::text(&conclusion);
            assert_eq!(conclusion.exit() as u8, 7, "{name}: {text}");
            assert!(text.contains(&format!("a bundle holds no such file: \"{name}\"")), "{text}");
        }
        let (stand, _outside) = with_link("bundle.json").unwrap();
        let error = stand.judge(stand.path(), None).unwrap_err();
        assert_eq!((error.exit() as u8, error.code()), (7, "cli.bundle_tampered"));
        let whole = Stand::new(|_| {}).unwrap();
        let error = whole.judge(whole.path(), Some(stand.path())).unwrap_err();
        assert_eq!((error.exit() as u8, error.code()), (7, "cli.bundle_tampered"));
    }

    #[test]
    fn a_pipe_in_a_bundle_is_tampering_and_not_waited_for() {
        for name in ["commits.ndjson", "blobs/pipe", "trust"] {
            let stand = Stand::new(|_| {}).unwrap();
            let path = stand.path().join(name);
            drop(fs::remove_file(&path));
            crate::files::make_fifo(&path).unwrap();
            assert_eq!(stand.verify().unwrap().exit() as u8, 7, "{name}");
        }
        let stand = Stand::new(|_| {}).unwrap();
        fs::remove_file(stand.path().join("bundle.json")).unwrap();
        crate::files::make_fifo(&stand.path().join("bundle.json")).unwrap();
        assert_eq!(stand.judge(stand.path(), None).unwrap_err().exit() as u8, 7);
    }

    #[test]
    fn an_empty_folder_that_no_bundle_has_is_tampering() {
        let stand = Stand::new(|_| {}).unwrap();
        fs::create_dir_all(stand.path().join("statements/acme")).unwrap();
        assert_eq!(stand.verify().unwrap().exit() as u8, 0);
        fs::create_dir(stand.path().join("empty")).unwrap();
        assert_eq!(stand.verify().unwrap().exit() as u8, 7);
    }

    #[test]
    fn a_gap_of_the_policy_that_the_log_holds_leaves_it_open() {
        let mut stand = Stand::new(|_| {}).unwrap();
        stand.policy.logs[0].gaps = vec![5];
        let conclusion = stand.verify().unwrap();
        let text = report::text(&conclusion);
        assert_eq!(conclusion.exit() as u8, 8, "{text}");
        assert!(text.contains("sequence 5") && text.contains("it is here"), "{text}");
    }
}
