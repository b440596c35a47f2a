#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreated, RulesetStatus,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use thiserror::Error;

/// The most that a confined process may use.
#[derive(Debug, Clone, Copy)]
pub struct Confinement {
    /// Writable memory.
    pub memory_bytes: u64,
    /// Processor time of all its threads together.
    pub cpu_seconds: u64,
    /// The size of any file that it writes.
    pub output_bytes: u64,
    /// Descriptors below this stay open; all others are closed.
    pub descriptors: u32,
}

#[derive(Debug, Error)]
#[error("the sandbox cannot be closed: {what}")]
pub struct SandboxError {
    what: &'static str,
    #[source]
    source: io::Error,
}

/// Closes the sandbox around this process for good: no files, no network, no new processes or privileges, no code made at run
/// time, bounded memory, time and output. Returns the layers that this kernel lacks. A missing filter on system calls is an
/// error.
pub fn confine(limits: &Confinement) -> Result<Vec<&'static str>, SandboxError> {
    let mut missing = Vec::new();
    // SAFETY: plain integers; no descriptor above is used by this process after this.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, limits.descriptors, u32::MAX, 0) };
    if closed != 0 {
        missing.push("close_range");
    }
    super::forbid_core_dumps();
    rustix::thread::set_no_new_privs(true).map_err(|e| SandboxError {
        what: "no new privileges",
        source: e.into(),
    })?;
    // This comes before the limit on descriptors, since the ruleset needs one for a moment.
    if !forbid_files() {
        missing.push("landlock");
    }
    let limit = |resource, most: u64| {
        let most = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, most).map_err(|e| SandboxError {
            what: "a resource limit",
            source: e.into(),
        })
    };
    limit(Resource::Data, limits.memory_bytes)?;
    // This also counts libraries, and memory that is only reserved.
    limit(Resource::As, limits.memory_bytes.saturating_add(2 << 30))?;
    limit(Resource::Fsize, limits.output_bytes)?;
    limit(Resource::Nofile, limits.descriptors.into())?;
    limit_cpu(limits.cpu_seconds);
    filter().map_err(|e| SandboxError {
        what: "the filter on system calls",
        source: io::Error::other(e),
    })?;
    Ok(missing)
}

/// Limits the processor time of all threads together; a lower limit stays.
fn limit_cpu(seconds: u64) {
    let now = rustix::process::getrlimit(Resource::Cpu);
    let soft = seconds.min(now.current.unwrap_or(u64::MAX)).max(1);
    let hard = now.maximum.unwrap_or(u64::MAX);
    let _ = setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(soft.min(hard)),
            maximum: Some(hard.min(soft + 5).max(soft.min(hard))),
        },
    );
}

/// Takes every right on files, and TCP, from this thread and those that it starts; nothing is granted back. On a kernel whose
/// Landlock is older than the newest rights here, it takes those that the kernel knows. `false`: this kernel has no Landlock.
fn forbid_files() -> bool {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self);
    restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn filter() -> Result<(), seccompiler::Error> {
    // The kernel takes the strictest answer of all filters, so each has one purpose. The last one forbids further filters.
    install(refused_calls(), SeccompAction::Allow, errno(libc::EPERM))?;
    // The C library then falls back to `clone`, whose flags a filter can see.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    install(clone3, SeccompAction::Allow, errno(libc::ENOSYS))?;
    install(allowed()?, SeccompAction::KillProcess, SeccompAction::Allow)
}

fn errno(number: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(number.cast_unsigned())
}

fn install(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into()?;
    let program: seccompiler::BpfProgram =
        SeccompFilter::new(rules, otherwise, listed, arch)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)
}

/// Calls that libraries try (to count processors, to find their data) and can do without.
fn refused_calls() -> Rules {
    let mut calls = vec![
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
        libc::SYS_getcwd,
        libc::SYS_ioctl,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_open,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
    ]);
    calls.into_iter().map(|call| (call, Vec::new())).collect()
}

fn allowed() -> Result<Rules, seccompiler::Error> {
    let mut rules = refused_calls();
    let plain = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_close,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clone3,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getcpu,
        libc::SYS_sysinfo,
        libc::SYS_uname,
        libc::SYS_membarrier,
    ];
    rules.extend(plain.map(|call| (call, Vec::new())));
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_time].map(|call| (call, Vec::new())));
    let only_if = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions).map(|r| vec![r]);
    let bits = |argument, mask: u64, value: u64| {
        SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Qword,
            SeccompCmpOp::MaskedEq(mask),
            value,
        )
    };
    let equals = |argument, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    // Threads may be started, processes may not.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    rules.insert(libc::SYS_clone, only_if(vec![bits(0, thread, thread)?])?);
    // Memory never becomes executable.
    let exec = u64::from(libc::PROT_EXEC.cast_unsigned());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, only_if(vec![bits(2, exec, 0)?])?);
    }
    // The standard library asks for the flags of descriptors.
    let look = [libc::F_GETFD, libc::F_GETFL].map(|c| equals(1, u64::from(c.cast_unsigned())));
    let look = look.into_iter().map(|c| SeccompRule::new(vec![c?]));
    rules.insert(libc::SYS_fcntl, look.collect::<Result<_, _>>()?);
    // Threads are given names.
    let name = u64::from(libc::PR_SET_NAME.cast_unsigned());
    rules.insert(libc::SYS_prctl, only_if(vec![equals(0, name)?])?);
    // A process may only lower its own limits.
    rules.insert(libc::SYS_prlimit64, only_if(vec![equals(0, 0)?])?);
    // A process may abort itself.
    let me = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, only_if(vec![equals(0, me)?])?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_from_the_thread_that_asks_and_from_no_other() {
        let opened = std::thread::spawn(|| {
            let enforced = forbid_files();
            (enforced, std::fs::File::open("/etc/passwd"))
        });
        let (enforced, opened) = opened.join().unwrap();
        if enforced {
            let refused = opened.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        } else {
            assert!(opened.is_ok(), "not enforced, but refused");
            eprintln!("this kernel has no Landlock");
        }
        assert!(std::fs::File::open("/etc/passwd").is_ok());
    }
}
