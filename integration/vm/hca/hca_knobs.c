// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: knobs and counters in debugfs; README.md has the table. */
#include <linux/seq_file.h>

#include "hca.h"

static const char * const hca_attr_names[HCA_ATTRS] = {
	[HCA_ATTR_MAC] = "mac",
	[HCA_ATTR_VLAN] = "vlan",
	[HCA_ATTR_RATE] = "rate",
	[HCA_ATTR_SPOOFCHK] = "spoofchk",
	[HCA_ATTR_TRUST] = "trust",
	[HCA_ATTR_LINK_STATE] = "link_state",
	[HCA_ATTR_NODE_GUID] = "node_guid",
	[HCA_ATTR_PORT_GUID] = "port_guid",
};

static const struct {
	const char *name;
	size_t offset;
} hca_plain_knobs[] = {
	{ "admin_mac_delay_ms", offsetof(struct hca_knobs, admin_mac_delay_ms) },
	{ "admin_mac_live", offsetof(struct hca_knobs, admin_mac_live) },
	{ "own_mac_delay_ms", offsetof(struct hca_knobs, own_mac_delay_ms) },
	{ "mac_needs_trust", offsetof(struct hca_knobs, mac_needs_trust) },
	{ "netdev_delay_ms", offsetof(struct hca_knobs, netdev_delay_ms) },
	{ "open_busy", offsetof(struct hca_knobs, open_busy) },
	{ "rdma_devices", offsetof(struct hca_knobs, rdma_devices) },
	{ "rdma_no_netns", offsetof(struct hca_knobs, rdma_no_netns) },
	{ "fw_guids", offsetof(struct hca_knobs, fw_guids) },
	{ "probe_errno", offsetof(struct hca_knobs, probe_errno) },
	{ "pfc_errno", offsetof(struct hca_knobs, pfc_errno) },
	{ "dcbx_by_firmware", offsetof(struct hca_knobs, dcbx_by_firmware) },
};

static struct dentry *hca_root;
static DEFINE_MUTEX(hca_all_lock);
static LIST_HEAD(hca_all);

void hca_knobs_defaults(struct hca_knobs *knobs)
{
	memset(knobs, 0, sizeof(*knobs));
	knobs->rdma_devices = 1;
	knobs->carrier = 1;
}

static int hca_carrier_get(void *data, u64 *value)
{
	struct hca_pf *pf = data;

	*value = pf->knobs.carrier;
	return 0;
}

static int hca_carrier_set(void *data, u64 value)
{
	struct hca_pf *pf = data;

	pf->knobs.carrier = !!value;
	hca_net_update_carrier(pf);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(hca_carrier_fops, hca_carrier_get, hca_carrier_set,
			 "%llu\n");

static int hca_reset_get(void *data, u64 *value)
{
	*value = 0;
	return 0;
}

/* Knobs, counters and VF attributes of a PF as after its bind. */
static int hca_reset_set(void *data, u64 value)
{
	struct hca_pf *pf = data;
	struct hca_fn *fn;

	hca_vf_reset_all(pf);
	hca_knobs_defaults(&pf->knobs);
	pf->pfc = 0;
	memset(&pf->ets, 0, sizeof(pf->ets));
	memset(&pf->buffer, 0, sizeof(pf->buffer));
	mutex_lock(&hca_all_lock);
	list_for_each_entry(fn, &hca_all, all) {
		if (fn->pf != pf)
			continue;
		memset(fn->port_counters, 0, sizeof(fn->port_counters));
		memset(fn->hw_counters, 0, sizeof(fn->hw_counters));
	}
	mutex_unlock(&hca_all_lock);
	hca_net_update_carrier(pf);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(hca_reset_fops, hca_reset_get, hca_reset_set,
			 "%llu\n");

static u32 *hca_plain_knob(struct hca_knobs *knobs, int index)
{
	return (u32 *)((char *)knobs + hca_plain_knobs[index].offset);
}

static void hca_add_attr_knob(struct hca_fn *fn, int attr, const char *suffix,
			      u32 *value)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_%s", hca_attr_names[attr], suffix);
	debugfs_create_u32(name, 0600, fn->dir, value);
}

static void hca_add_pf_knobs(struct hca_fn *fn)
{
	struct hca_knobs *knobs = &fn->pf->knobs;
	int i;

	for (i = 0; i < HCA_ATTRS; i++) {
		hca_add_attr_knob(fn, i, "errno", &knobs->attr[i].err);
		hca_add_attr_knob(fn, i, "busy", &knobs->attr[i].busy);
		hca_add_attr_knob(fn, i, "delay_ms", &knobs->attr[i].delay_ms);
	}
	for (i = 0; i < ARRAY_SIZE(hca_plain_knobs); i++)
		debugfs_create_u32(hca_plain_knobs[i].name, 0600, fn->dir,
				   hca_plain_knob(knobs, i));
	debugfs_create_file("carrier", 0600, fn->dir, fn->pf,
			    &hca_carrier_fops);
	debugfs_create_file("reset", 0600, fn->dir, fn->pf, &hca_reset_fops);
}

static void hca_add_counters(struct hca_fn *fn)
{
	struct dentry *dir = debugfs_create_dir("counters", fn->dir);
	int i;

	for (i = 0; i < HCA_PORT_COUNTERS; i++)
		debugfs_create_u64(hca_port_counter_names[i], 0600, dir,
				   &fn->port_counters[i]);
	for (i = 0; i < HCA_HW_COUNTERS; i++)
		debugfs_create_u64(hca_hw_counter_name(i), 0600, dir,
				   &fn->hw_counters[i]);
}

void hca_knobs_add(struct hca_fn *fn)
{
	fn->dir = debugfs_create_dir(pci_name(fn->pdev), hca_root);
	if (!fn->vf)
		hca_add_pf_knobs(fn);
	hca_add_counters(fn);
	mutex_lock(&hca_all_lock);
	list_add_tail(&fn->all, &hca_all);
	mutex_unlock(&hca_all_lock);
}

void hca_knobs_remove(struct hca_fn *fn)
{
	mutex_lock(&hca_all_lock);
	list_del(&fn->all);
	mutex_unlock(&hca_all_lock);
	debugfs_remove_recursive(fn->dir);
}

static void hca_show_counters(struct seq_file *file, struct hca_fn *fn)
{
	int i;

	for (i = 0; i < HCA_PORT_COUNTERS; i++)
		if (fn->port_counters[i])
			seq_printf(file, " %s=%llu", hca_port_counter_names[i],
				   fn->port_counters[i]);
	for (i = 0; i < HCA_HW_COUNTERS; i++)
		if (fn->hw_counters[i])
			seq_printf(file, " %s=%llu", hca_hw_counter_name(i),
				   fn->hw_counters[i]);
}

static void hca_show_knobs(struct seq_file *file, struct hca_knobs *knobs)
{
	int i;

	for (i = 0; i < HCA_ATTRS; i++)
		seq_printf(file, " %s=%u/%u/%u", hca_attr_names[i],
			   knobs->attr[i].err, knobs->attr[i].busy,
			   knobs->attr[i].delay_ms);
	for (i = 0; i < ARRAY_SIZE(hca_plain_knobs); i++)
		seq_printf(file, " %s=%u", hca_plain_knobs[i].name,
			   *hca_plain_knob(knobs, i));
	seq_printf(file, " carrier=%u", knobs->carrier);
}

/* One line per function with everything that a test may have changed. */
static int hca_state_show(struct seq_file *file, void *unused)
{
	struct hca_fn *fn;

	mutex_lock(&hca_all_lock);
	list_for_each_entry(fn, &hca_all, all) {
		seq_puts(file, pci_name(fn->pdev));
		seq_printf(file, " node_guid=%016llx port_guid=%016llx",
			   fn->node_guid, fn->port_guid);
		if (!fn->vf)
			hca_show_knobs(file, &fn->pf->knobs);
		hca_show_counters(file, fn);
		seq_putc(file, '\n');
	}
	mutex_unlock(&hca_all_lock);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(hca_state);

void hca_knobs_init(void)
{
	hca_root = debugfs_create_dir(HCA_NAME, NULL);
	debugfs_create_file("state", 0400, hca_root, NULL, &hca_state_fops);
}

void hca_knobs_exit(void)
{
	debugfs_remove_recursive(hca_root);
}
