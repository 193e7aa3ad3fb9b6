// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA, link=ipoib: the interfaces are those of the kernel's
 * own ib_ipoib, which hands the administration of VFs on to the RDMA device.
 */
#include "hca.h"

void hca_ipoib_join(struct hca_fn *fn)
{
	mutex_lock(&fn->pf->lock);
	list_add_tail_rcu(&fn->member, &fn->pf->members);
	mutex_unlock(&fn->pf->lock);
}

void hca_ipoib_leave(struct hca_fn *fn)
{
	mutex_lock(&fn->pf->lock);
	list_del_rcu(&fn->member);
	mutex_unlock(&fn->pf->lock);
	synchronize_rcu();
}

/* Tells the users of the port whether it is up, if that has changed. */
void hca_ipoib_update_port(struct hca_fn *fn)
{
	bool up = hca_link_is_on(fn);
	struct ib_event event = {
		.event = up ? IB_EVENT_PORT_ACTIVE : IB_EVENT_PORT_ERR,
		.element.port_num = 1,
	};

	if (fn->port_up == up || !fn->rdma[0])
		return;
	fn->port_up = up;
	event.device = &fn->rdma[0]->ibdev;
	ib_dispatch_event(&event);
}

static int hca_ipoib_set_vf_guid(struct ib_device *ibdev, int index, u32 port,
				 u64 guid, int type)
{
	return hca_vf_store_guid(hca_ib_fn(ibdev), index, guid, type);
}

static int hca_ipoib_get_vf_guid(struct ib_device *ibdev, int index, u32 port,
				 struct ifla_vf_guid *node,
				 struct ifla_vf_guid *port_guid)
{
	return hca_vf_load_guid(hca_ib_fn(ibdev), index, node, port_guid);
}

static int hca_ipoib_set_vf_link_state(struct ib_device *ibdev, int index,
				       u32 port, int state)
{
	return hca_vf_store_link_state(hca_ib_fn(ibdev), index, state);
}

static int hca_ipoib_get_vf_config(struct ib_device *ibdev, int index,
				   u32 port, struct ifla_vf_info *info)
{
	return hca_vf_load_config(hca_ib_fn(ibdev), index, info);
}

static int hca_ipoib_get_vf_stats(struct ib_device *ibdev, int index, u32 port,
				  struct ifla_vf_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return 0;
}

const struct ib_device_ops hca_ipoib_ops = {
	.set_vf_guid = hca_ipoib_set_vf_guid,
	.get_vf_guid = hca_ipoib_get_vf_guid,
	.set_vf_link_state = hca_ipoib_set_vf_link_state,
	.get_vf_config = hca_ipoib_get_vf_config,
	.get_vf_stats = hca_ipoib_get_vf_stats,
};
