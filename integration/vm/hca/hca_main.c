// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: the PCI driver. */
#include <linux/idr.h>
#include <linux/module.h>

#include "hca.h"

static char *link = "eth";
module_param(link, charp, 0444);
MODULE_PARM_DESC(link, "of every function: eth, ib, or ipoib for ib_ipoib's interfaces");

static DEFINE_IDA(hca_rails);
static bool hca_ib, hca_ipoib;

bool hca_is_ib(void)
{
	return hca_ib;
}

/* InfiniBand whose interfaces come from the kernel's ib_ipoib. */
bool hca_is_ipoib(void)
{
	return hca_ipoib;
}

static u64 hca_eui64(const u8 *mac)
{
	return (u64)(mac[0] ^ 2) << 56 | (u64)mac[1] << 48 | (u64)mac[2] << 40 |
	       0xfffeULL << 24 | mac[3] << 16 | mac[4] << 8 | mac[5];
}

/* The address burnt into a function: stable over boots and rebinds. */
static void hca_burnt_in_mac(struct hca_fn *fn)
{
	u8 mac[ETH_ALEN] = { 0x02, 0x1a, 0xb0, 0, fn->pf->rail, fn->number };

	ether_addr_copy(fn->mac, mac);
}

/*
 * A function takes its identity when its driver binds. As on mlx5, a VF has a
 * node GUID only once its administrator gave it a MAC (Ethernet) or a GUID
 * (InfiniBand), and that shows from the next bind on.
 */
static void hca_take_identity(struct hca_fn *fn)
{
	struct hca_vf *vf = fn->vf;
	bool burnt = !vf || fn->pf->knobs.fw_guids;

	hca_burnt_in_mac(fn);
	if (burnt)
		fn->node_guid = fn->port_guid = hca_eui64(fn->mac);
	if (!vf)
		return;
	if (!is_zero_ether_addr(vf->mac)) {
		ether_addr_copy(fn->mac, vf->mac);
		fn->node_guid = fn->port_guid = hca_eui64(fn->mac);
	}
	if (vf->node_guid)
		fn->node_guid = vf->node_guid;
	if (vf->port_guid)
		fn->port_guid = vf->port_guid;
}

static int hca_init_pf(struct hca_fn *fn)
{
	struct hca_pf *pf = kzalloc(sizeof(*pf), GFP_KERNEL);

	if (!pf)
		return -ENOMEM;
	pf->rail = ida_alloc(&hca_rails, GFP_KERNEL);
	mutex_init(&pf->lock);
	INIT_LIST_HEAD(&pf->members);
	spin_lock_init(&pf->verbs_lock);
	INIT_LIST_HEAD(&pf->qps);
	hca_knobs_defaults(&pf->knobs);
	fn->pf = pf;
	if (pf->rail < 0 || hca_vf_alloc(pf, fn->pdev)) {
		kfree(pf);
		return -ENOMEM;
	}
	return 0;
}

static void hca_free_pf(struct hca_pf *pf)
{
	ida_free(&hca_rails, pf->rail);
	kfree(pf->vfs);
	kfree(pf);
}

static struct pci_driver hca_driver;

static int hca_init_vf(struct hca_fn *fn)
{
	struct hca_fn *parent = pci_iov_get_pf_drvdata(fn->pdev, &hca_driver);
	int index = pci_iov_vf_id(fn->pdev);

	if (IS_ERR(parent))
		return PTR_ERR(parent);
	if (!parent || index < 0 || index >= parent->pf->max_vfs)
		return -ENODEV;
	fn->pf = parent->pf;
	fn->vf = &fn->pf->vfs[index];
	fn->number = index + 1;
	return 0;
}

static void hca_netdev_work(struct work_struct *work)
{
	struct hca_fn *fn = container_of(to_delayed_work(work), struct hca_fn,
					 netdev_work);
	int err = hca_net_add(fn);

	if (!err)
		err = hca_ib_attach_netdev(fn);
	if (err)
		dev_err(&fn->pdev->dev, "late netdev: %d\n", err);
}

static int hca_add_ipoib(struct hca_fn *fn)
{
	int err;

	fn->port_up = hca_link_is_on(fn);
	hca_ipoib_join(fn);
	err = hca_ib_add(fn);
	if (err)
		hca_ipoib_leave(fn);
	return err;
}

static int hca_add_devices(struct hca_fn *fn)
{
	u32 delay = fn->pf->knobs.netdev_delay_ms;
	int err;

	if (hca_is_ipoib())
		return hca_add_ipoib(fn);
	if (!delay) {
		err = hca_net_add(fn);
		if (err)
			return err;
	}
	err = hca_ib_add(fn);
	if (err) {
		hca_net_remove(fn);
		return err;
	}
	if (delay)
		schedule_delayed_work(&fn->netdev_work,
				      msecs_to_jiffies(delay));
	return 0;
}

static int hca_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hca_fn *fn = kzalloc(sizeof(*fn), GFP_KERNEL);
	int err;

	if (!fn)
		return -ENOMEM;
	fn->pdev = pdev;
	INIT_DELAYED_WORK(&fn->netdev_work, hca_netdev_work);
	INIT_DELAYED_WORK(&fn->mac_work, hca_net_late_mac);
	err = pdev->is_virtfn ? hca_init_vf(fn) : hca_init_pf(fn);
	if (!err && fn->vf)
		err = -(int)fn->pf->knobs.probe_errno;
	if (err)
		goto free;
	err = pci_enable_device(pdev);
	if (err)
		goto free_pf;
	pci_set_drvdata(pdev, fn);
	hca_take_identity(fn);
	err = hca_add_devices(fn);
	if (err)
		goto disable;
	hca_knobs_add(fn);
	return 0;

disable:
	pci_set_drvdata(pdev, NULL);
	pci_disable_device(pdev);
free_pf:
	if (!fn->vf)
		hca_free_pf(fn->pf);
free:
	kfree(fn);
	return err;
}

static void hca_remove(struct pci_dev *pdev)
{
	struct hca_fn *fn = pci_get_drvdata(pdev);

	if (!fn->vf) {
		pci_disable_sriov(pdev);
		hca_vf_reset_all(fn->pf);
	}
	hca_knobs_remove(fn);
	cancel_delayed_work_sync(&fn->netdev_work);
	if (hca_is_ipoib())
		hca_ipoib_leave(fn);
	/* The other way round, the RDMA core would hold on to the netdev. */
	hca_ib_remove(fn);
	hca_net_remove(fn);
	pci_set_drvdata(pdev, NULL);
	pci_disable_device(pdev);
	if (!fn->vf)
		hca_free_pf(fn->pf);
	kfree(fn);
}

static int hca_sriov_configure(struct pci_dev *pdev, int count)
{
	struct hca_fn *fn = pci_get_drvdata(pdev);
	int err;

	if (!count) {
		pci_disable_sriov(pdev);
		hca_vf_reset_all(fn->pf);
		return 0;
	}
	err = pci_enable_sriov(pdev, count);
	return err ? err : count;
}

static const struct pci_device_id hca_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x10c9) },	/* igb */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x10ca) },	/* its VFs */
	{ PCI_DEVICE(0x1b36, 0x0010) },			/* QEMU's NVMe, both */
	{ }
};

static struct pci_driver hca_driver = {
	.name = HCA_NAME,
	.id_table = hca_ids,
	.probe = hca_probe,
	.remove = hca_remove,
	.sriov_configure = hca_sriov_configure,
};

static int __init hca_init(void)
{
	int err;

	hca_ipoib = !strcmp(link, "ipoib");
	hca_ib = hca_ipoib || !strcmp(link, "ib");
	if (!hca_ib && strcmp(link, "eth"))
		return -EINVAL;
	hca_knobs_init();
	err = pci_register_driver(&hca_driver);
	if (err)
		hca_knobs_exit();
	return err;
}

static void __exit hca_exit(void)
{
	pci_unregister_driver(&hca_driver);
	hca_knobs_exit();
	ida_destroy(&hca_rails);
}

module_init(hca_init);
module_exit(hca_exit);

MODULE_DESCRIPTION("Emulated RDMA HCA with SR-IOV, for tests only");
MODULE_LICENSE("GPL");
