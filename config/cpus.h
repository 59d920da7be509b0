#ifndef SLUICE_CONFIG_CPUS_H
#define SLUICE_CONFIG_CPUS_H
/* How many CPUs this process may really use: its affinity, and the CPU quota of its cgroup, where a
 * container sets one. More loops than that would only take turns.
 *
 * Reads files of /proc and /sys; at the start only. `root` stands before their paths: "" for the
 * machine's own, another folder for a test. */
#include <stdint.h>

/* At least 1. */
uint32_t cpus_usable(const char *root);

/* What the tightest quota of this cgroup and those above it amounts to, rounded up to whole CPUs;
 * 0 where there is none. cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us). */
uint32_t cpus_quota(const char *root);
#endif
