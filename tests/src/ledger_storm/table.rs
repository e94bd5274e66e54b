//! The report as people read it.

use super::{Report, Row};
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>2} {:<42} {:>9} {:>9} {:>10} {:>14}",
            "#", "attack", "instances", "detected", "mislocated", "false positive"
        )?;
        for row in self.attacks.iter().chain(&self.untouched) {
            line(f, row)?;
        }
        writeln!(f, "* nothing false is shown: the report has to say what it does not prove")?;
        writeln!(f, "\nunattested, by name: edited, and nothing has to be said")?;
        for row in &self.unattested {
            line(f, row)?;
        }
        let sum = |of: fn(&Row) -> usize| self.attacks.iter().map(of).sum::<usize>();
        let silent = self.untouched.iter().chain(&self.unattested);
        let (quiet, alarms) = silent.fold((0, 0), |(quiet, alarms), row| {
            (quiet + row.instances, alarms + row.false_alarms)
        });
        let (instances, detected) = (sum(|row| row.instances), sum(|row| row.detected));
        let alarms = alarms + sum(|row| row.false_alarms);
        writeln!(
            f,
            "\nattacks {instances}, detected {detected} ({}), mislocated {}, \
             false positives {alarms} (on {quiet} untouched or unattested)",
            share(detected, instances),
            sum(|row| row.mislocated),
        )?;
        let (smallest, largest) = self.small_sizes;
        writeln!(
            f,
            "seed {}, {} instances on a log of {} commits, the others on logs of {smallest} to \
             {largest}; {:.0} s",
            self.plan.seed,
            self.on_the_large_log,
            self.plan.commits,
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "not in this storm: 15 configuration, 16 projections, 19 replicas, servers of 3 and 9 \
             (docs/attacks.md)"
        )?;
        self.told.iter().try_for_each(|told| writeln!(f, "WRONG: {told}"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let number = if row.number == 0 { String::new() } else { row.number.to_string() };
    let Row { name, instances, detected, mislocated, false_alarms, .. } = row;
    writeln!(
        f,
        "{number:>2} {name:<42} {instances:>9} {detected:>9} {mislocated:>10} {false_alarms:>14}"
    )
}

/// Rounded down: 100 % means all.
fn share(part: usize, whole: usize) -> String {
    let permille = (part * 10_000).checked_div(whole).unwrap_or(10_000);
    format!("{}.{:02} %", permille / 100, permille % 100)
}
