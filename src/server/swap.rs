//! Checks that memory cannot be written to swap.

use std::fs::read_to_string;
use std::path::Path;

use super::ServerError;

/// Fails if the kernel may write this process's memory to swap.
pub(super) fn require_no_swap() -> Result<(), ServerError> {
    // If the file cannot be read, assume that there is swap.
    let areas = read_to_string("/proc/swaps").unwrap_or_else(|_| "\n/proc/swaps (unreadable)".into());
    match swap(&areas, cgroup_limit().as_deref()) {
        Some(detail) => Err(ServerError::Swap { detail }),
        None => Ok(()),
    }
}

/// The swap areas in use, given `/proc/swaps` and this cgroup's `memory.swap.max`.
fn swap(swaps: &str, limit: Option<&str>) -> Option<String> {
    // One line of headings, then one line for each area. zram counts too: it can write back to a disk.
    let areas: Vec<&str> = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    (!areas.is_empty() && limit.map(str::trim) != Some("0")).then(|| format!("swap on {}", areas.join(", ")))
}

/// `memory.swap.max` of this process's cgroup (version 2).
fn cgroup_limit() -> Option<String> {
    let own = read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    read_to_string(Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')).join("memory.swap.max"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn swap_counts_unless_the_cgroup_forbids_it() {
        let disk = format!("{HEADINGS}/dev/sda2 partition 8388604 0 -2\n");
        assert_eq!(swap(HEADINGS, None), None);
        assert_eq!(swap(&disk, None).as_deref(), Some("swap on /dev/sda2"));
        assert_eq!(swap(&disk, Some("max\n")).as_deref(), Some("swap on /dev/sda2"));
        assert_eq!(swap(&disk, Some("0\n")), None);
    }
}
