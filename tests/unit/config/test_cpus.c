/* CPU quotas, on files that look like the kernel's. */
#include "config/cpus.h"

#include "tests/unit/config/support.h"

Suite *suite_config_cpus(void);

/* Writes ROOT/path with the folders above it; the root is the test's own folder. */
static void put(const char *path, const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
    ck_assert_int_eq(system(command), 0);
    support_write(path, text);
}

START_TEST(without_a_cgroup_there_is_no_quota)
{
    ck_assert_uint_eq(cpus_quota("."), 0);
    put("proc/self/cgroup", "");
    ck_assert_uint_eq(cpus_quota("."), 0);
    put("proc/self/cgroup", "0::/\n");
    ck_assert_uint_eq(cpus_quota("."), 0);
    put("proc/self/cgroup", "nonsense\n::\n0:\n");
    ck_assert_uint_eq(cpus_quota("."), 0);
}
END_TEST

START_TEST(a_quota_of_v2_is_rounded_up)
{
    static const struct {
        const char *max;
        uint32_t cpus;
    } rows[] = {
        {"max 100000\n", 0},    {"100000 100000\n", 1},
        {"50000 100000\n", 1},  {"150000 100000\n", 2},
        {"200000 100000\n", 2}, {"400000 50000\n", 8},
        {"0 100000\n", 0},      {"100000 0\n", 0},
        {"100000\n", 0},        {"", 0},
        {"-1 100000\n", 0},     {"1600000 100000", 16},
        {"x y\n", 0},           {"18446744073709551615 1\n", 0},
    };
    put("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put("sys/fs/cgroup/cpu.max", rows[i].max);
        ck_assert_msg(cpus_quota(".") == rows[i].cpus, "%s", rows[i].max);
    }
}
END_TEST

START_TEST(the_tightest_quota_on_the_way_up_counts)
{
    put("proc/self/cgroup", "0::/system.slice/sluice.service\n");
    put("sys/fs/cgroup/system.slice/sluice.service/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(cpus_quota("."), 3);
    put("sys/fs/cgroup/system.slice/sluice.service/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(cpus_quota("."), 2);
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_uint_eq(cpus_quota("."), 1);
}
END_TEST

/* Bug of others: the path of the host's cgroup is not there inside a container. */
START_TEST(a_container_sees_its_quota_at_the_top)
{
    put("proc/self/cgroup", "0::/kubepods/pod1/container\n");
    put("sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(cpus_quota("."), 2);
    put("proc/self/cgroup", "0::/../../other\n");
    ck_assert_uint_eq(cpus_quota("."), 2);
}
END_TEST

START_TEST(v1_counts_too)
{
    put("proc/self/cgroup",
        "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n0::/\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "250000\n");
    put("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus_quota("."), 3);
    put("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n");
    ck_assert_uint_eq(cpus_quota("."), 0);
    put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus_quota("."), 1);
}
END_TEST

START_TEST(only_the_controller_cpu_counts_in_v1)
{
    put("proc/self/cgroup", "2:cpuset:/\n3:cpuacct:/\n");
    put("sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n");
    put("sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(cpus_quota("."), 0);
}
END_TEST

START_TEST(a_path_longer_than_any_falls_back_to_the_top)
{
    static char text[6000] = "0::/";
    memset(text + 4, 'a', 5000);
    put("proc/self/cgroup", text);
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_uint_eq(cpus_quota("."), 1);
}
END_TEST

START_TEST(the_quota_bounds_what_is_usable)
{
    uint32_t all = cpus_usable(".");
    ck_assert_uint_ge(all, 1);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/cpu.max", "10000 100000\n");
    ck_assert_uint_eq(cpus_usable("."), 1);
    put("sys/fs/cgroup/cpu.max", "100000000 100000\n");
    ck_assert_uint_eq(cpus_usable("."), all);
    ck_assert_uint_ge(cpus_usable(""), 1);
}
END_TEST

Suite *suite_config_cpus(void)
{
    Suite *s = suite_create("config_cpus");
    TCase *t = tcase_create("cpus");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, without_a_cgroup_there_is_no_quota);
    tcase_add_test(t, a_quota_of_v2_is_rounded_up);
    tcase_add_test(t, the_tightest_quota_on_the_way_up_counts);
    tcase_add_test(t, a_container_sees_its_quota_at_the_top);
    tcase_add_test(t, v1_counts_too);
    tcase_add_test(t, only_the_controller_cpu_counts_in_v1);
    tcase_add_test(t, a_path_longer_than_any_falls_back_to_the_top);
    tcase_add_test(t, the_quota_bounds_what_is_usable);
    suite_add_tcase(s, t);
    return s;
}
