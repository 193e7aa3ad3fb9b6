// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: RDMA devices of PFs and VFs. */
#include <linux/module.h>
#include <rdma/ib_mad.h>

#include "hca.h"

#define HCA_GIDS	16

/* The SM has put every port into the default partition and two others. */
u16 hca_pkey(u16 index)
{
	static const u16 table[HCA_PKEYS] = { 0xffff, 0x8001, 0x8002 };

	return index < HCA_PKEYS ? table[index] : 0;
}

u32 hca_lid(struct hca_fn *fn)
{
	return fn->pf->rail * 128 + fn->number + HCA_SM_LID + 1;
}

void hca_port_gid(struct hca_fn *fn, union ib_gid *gid)
{
	gid->global.subnet_prefix = cpu_to_be64(0xfe80000000000000ULL);
	gid->global.interface_id = cpu_to_be64(fn->port_guid);
}

static int hca_pkeys(void)
{
	return hca_is_ib() ? HCA_PKEYS : 1;
}

static int hca_query_device(struct ib_device *ibdev,
			    struct ib_device_attr *attr,
			    struct ib_udata *udata)
{
	memset(attr, 0, sizeof(*attr));
	attr->fw_ver = 16ULL << 32 | 35 << 16 | 1000;
	attr->sys_image_guid = cpu_to_be64(hca_ib_fn(ibdev)->node_guid);
	attr->vendor_id = hca_ib_fn(ibdev)->pdev->vendor;
	attr->vendor_part_id = hca_ib_fn(ibdev)->pdev->device;
	attr->max_mr_size = ~0ULL;
	attr->page_size_cap = PAGE_SIZE;
	attr->max_qp = 1024;
	attr->max_qp_wr = 1024;
	attr->max_send_sge = 4;
	attr->max_recv_sge = 4;
	attr->max_cq = 1024;
	attr->max_cqe = 4096;
	attr->max_mr = 1024;
	attr->max_pd = 1024;
	attr->max_ah = 1024;
	attr->max_pkeys = hca_pkeys();
	attr->kernel_cap_flags = IBK_LOCAL_DMA_LKEY;
	if (hca_ib_fn(ibdev)->vf)
		attr->kernel_cap_flags |= IBK_VIRTUAL_FUNCTION;
	return 0;
}

static bool hca_port_is_up(struct hca_fn *fn)
{
	struct net_device *dev = READ_ONCE(fn->netdev);

	if (hca_is_ipoib())
		return hca_link_is_on(fn);
	return dev && netif_carrier_ok(dev) &&
	       (hca_is_ib() || netif_running(dev));
}

static int hca_query_port(struct ib_device *ibdev, u32 port,
			  struct ib_port_attr *attr)
{
	struct hca_fn *fn = hca_ib_fn(ibdev);
	bool up = hca_port_is_up(fn);

	attr->state = up ? IB_PORT_ACTIVE : IB_PORT_DOWN;
	attr->phys_state = up ? IB_PORT_PHYS_STATE_LINK_UP :
				IB_PORT_PHYS_STATE_DISABLED;
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = hca_is_ib() ? IB_MTU_4096 : IB_MTU_1024;
	attr->gid_tbl_len = hca_is_ib() ? 1 : HCA_GIDS;
	attr->pkey_tbl_len = hca_pkeys();
	attr->max_msg_sz = 1 << 30;
	attr->active_speed = IB_SPEED_EDR;
	attr->active_width = IB_WIDTH_4X;
	attr->max_vl_num = 1;
	if (hca_is_ib()) {
		attr->lid = hca_lid(fn);
		attr->sm_lid = HCA_SM_LID;
		attr->port_cap_flags = IB_PORT_AUTO_MIGR_SUP;
	} else {
		attr->ip_gids = true;
		attr->port_cap_flags = IB_PORT_CM_SUP;
	}
	return 0;
}

static int hca_get_port_immutable(struct ib_device *ibdev, u32 port,
				  struct ib_port_immutable *immutable)
{
	immutable->core_cap_flags = hca_is_ib() ? RDMA_CORE_PORT_IBA_IB :
		RDMA_CORE_PORT_IBA_ROCE | RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP;
	immutable->gid_tbl_len = hca_is_ib() ? 1 : HCA_GIDS;
	immutable->pkey_tbl_len = hca_pkeys();
	immutable->max_mad_size = IB_MGMT_MAD_SIZE;
	return 0;
}

static enum rdma_link_layer hca_get_link_layer(struct ib_device *ibdev,
					       u32 port)
{
	return hca_is_ib() ? IB_LINK_LAYER_INFINIBAND : IB_LINK_LAYER_ETHERNET;
}

static int hca_query_pkey(struct ib_device *ibdev, u32 port, u16 index,
			  u16 *pkey)
{
	*pkey = hca_pkey(index);
	return index < hca_pkeys() ? 0 : -EINVAL;
}

static int hca_query_gid(struct ib_device *ibdev, u32 port, int index,
			 union ib_gid *gid)
{
	memset(gid, 0, sizeof(*gid));
	if (!index)
		hca_port_gid(hca_ib_fn(ibdev), gid);
	return 0;
}

/* The core keeps the RoCE GID table itself; only hardware would have to know. */
static int hca_add_gid(const struct ib_gid_attr *attr, void **context)
{
	return 0;
}

static int hca_del_gid(const struct ib_gid_attr *attr, void **context)
{
	return 0;
}

static void hca_get_fw_str(struct ib_device *ibdev, char *text)
{
	strscpy(text, "16.35.1000", IB_FW_VERSION_NAME_MAX);
}

static const struct ib_device_ops hca_ib_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_UNKNOWN,
	.uverbs_abi_ver = 1,
	.query_device = hca_query_device,
	.query_port = hca_query_port,
	.get_port_immutable = hca_get_port_immutable,
	.get_link_layer = hca_get_link_layer,
	.query_pkey = hca_query_pkey,
	.query_gid = hca_query_gid,
	.get_dev_fw_str = hca_get_fw_str,
};

static const struct ib_device_ops hca_roce_ops = {
	.add_gid = hca_add_gid,
	.del_gid = hca_del_gid,
};

static void hca_disassociate_ucontext(struct ib_ucontext *context)
{
}

/* Without this operation, the core refuses to move a device (EOPNOTSUPP). */
static const struct ib_device_ops hca_netns_ops = {
	.disassociate_ucontext = hca_disassociate_ucontext,
};

static void hca_ib_init(struct hca_rdma *rdma, struct hca_fn *fn, int index)
{
	struct ib_device *ibdev = &rdma->ibdev;

	rdma->fn = fn;
	ibdev->dev.parent = &fn->pdev->dev;
	ibdev->node_type = RDMA_NODE_IB_CA;
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = 1;
	ibdev->local_dma_lkey = 1;
	if (fn->node_guid)
		ibdev->node_guid = cpu_to_be64(fn->node_guid + index);
	strscpy(ibdev->node_desc, HCA_NAME, sizeof(ibdev->node_desc));
	ib_set_device_ops(ibdev, &hca_ib_ops);
	ib_set_device_ops(ibdev, &hca_verbs_ops);
	ib_set_device_ops(ibdev, &hca_cq_ops);
	ib_set_device_ops(ibdev, &hca_qp_ops);
	ib_set_device_ops(ibdev, &hca_ud_ops);
	ib_set_device_ops(ibdev, &hca_counter_ops);
	if (!hca_is_ib())
		ib_set_device_ops(ibdev, &hca_roce_ops);
	if (hca_is_ipoib())
		ib_set_device_ops(ibdev, &hca_ipoib_ops);
	if (!fn->pf->knobs.rdma_no_netns)
		ib_set_device_ops(ibdev, &hca_netns_ops);
}

static int hca_ib_add_one(struct hca_fn *fn, int index)
{
	struct hca_rdma *rdma = ib_alloc_device(hca_rdma, ibdev);
	int err = 0;

	if (!rdma)
		return -ENOMEM;
	hca_ib_init(rdma, fn, index);
	if (!hca_is_ib() && fn->netdev)
		err = ib_device_set_netdev(&rdma->ibdev, fn->netdev, 1);
	if (!err)
		err = ib_register_device(&rdma->ibdev, "hca_%d", NULL);
	if (err) {
		ib_dealloc_device(&rdma->ibdev);
		return err;
	}
	fn->rdma[index] = rdma;
	return 0;
}

int hca_ib_add(struct hca_fn *fn)
{
	int count = min_t(u32, fn->pf->knobs.rdma_devices, HCA_MAX_RDMA);
	int i, err;

	for (i = 0; i < count; i++) {
		err = hca_ib_add_one(fn, i);
		if (err) {
			hca_ib_remove(fn);
			return err;
		}
	}
	return 0;
}

/* The netdev has appeared after the RDMA devices. */
int hca_ib_attach_netdev(struct hca_fn *fn)
{
	int i, err = 0;

	for (i = 0; i < HCA_MAX_RDMA && !hca_is_ib() && !err; i++)
		if (fn->rdma[i])
			err = ib_device_set_netdev(&fn->rdma[i]->ibdev,
						   fn->netdev, 1);
	return err;
}

void hca_ib_remove(struct hca_fn *fn)
{
	int i;

	for (i = 0; i < HCA_MAX_RDMA; i++) {
		if (!fn->rdma[i])
			continue;
		ib_unregister_device(&fn->rdma[i]->ibdev);
		ib_dealloc_device(&fn->rdma[i]->ibdev);
		fn->rdma[i] = NULL;
	}
}
