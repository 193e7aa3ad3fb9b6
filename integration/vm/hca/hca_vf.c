// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: what a PF's administrator sets on its VFs. */
#include <linux/delay.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>

#include "hca.h"

static void hca_vf_clear(struct hca_vf *vf)
{
	eth_zero_addr(vf->mac);
	vf->vlan = 0;
	vf->qos = 0;
	vf->vlan_proto = htons(ETH_P_8021Q);
	vf->min_rate = 0;
	vf->max_rate = 0;
	vf->spoofchk = false;
	vf->trust = false;
	vf->link_state = IFLA_VF_LINK_STATE_AUTO;
	vf->node_guid = 0;
	vf->port_guid = 0;
}

/* The VF's netdev, wherever it is. Called with the RTNL held. */
static struct net_device *hca_vf_netdev(struct hca_vf *vf)
{
	struct net_device *dev = NULL;
	struct hca_fn *fn;

	mutex_lock(&vf->pf->lock);
	list_for_each_entry(fn, &vf->pf->members, member)
		if (fn->vf == vf)
			dev = fn->netdev;
	mutex_unlock(&vf->pf->lock);
	return dev;
}

static void hca_vf_store_mac(struct hca_vf *vf, const u8 *mac)
{
	struct net_device *dev;

	ether_addr_copy(vf->mac, mac);
	if (!vf->pf->knobs.admin_mac_live || is_zero_ether_addr(mac))
		return;
	dev = hca_vf_netdev(vf);
	if (dev)
		hca_net_apply_mac(dev, mac);
}

static void hca_vf_late_mac(struct work_struct *work)
{
	struct hca_vf *vf = container_of(to_delayed_work(work), struct hca_vf,
					 late_mac_work);

	rtnl_lock();
	hca_vf_store_mac(vf, vf->late_mac);
	rtnl_unlock();
}

int hca_vf_alloc(struct hca_pf *pf, struct pci_dev *pdev)
{
	int i;

	pf->max_vfs = max(pci_sriov_get_totalvfs(pdev), 0);
	pf->vfs = kcalloc(pf->max_vfs + 1, sizeof(*pf->vfs), GFP_KERNEL);
	if (!pf->vfs)
		return -ENOMEM;
	for (i = 0; i < pf->max_vfs; i++) {
		pf->vfs[i].pf = pf;
		pf->vfs[i].index = i;
		INIT_DELAYED_WORK(&pf->vfs[i].late_mac_work, hca_vf_late_mac);
		hca_vf_clear(&pf->vfs[i]);
	}
	return 0;
}

/* Once SR-IOV is off, nothing of the VFs' settings is left. */
void hca_vf_reset_all(struct hca_pf *pf)
{
	int i;

	for (i = 0; i < pf->max_vfs; i++) {
		cancel_delayed_work_sync(&pf->vfs[i].late_mac_work);
		hca_vf_clear(&pf->vfs[i]);
	}
}

static struct hca_vf *hca_vf_get(struct hca_fn *fn, int index)
{
	if (index < 0 || index >= pci_num_vf(fn->pdev) ||
	    index >= fn->pf->max_vfs)
		return ERR_PTR(-EINVAL);
	return &fn->pf->vfs[index];
}

/* The VF, unless a knob says that setting this attribute goes wrong. */
static struct hca_vf *hca_vf_gate(struct hca_fn *fn, int index,
				  enum hca_attr attr)
{
	struct hca_vf *vf = hca_vf_get(fn, index);
	struct hca_attr_knobs *knobs;

	if (IS_ERR(vf))
		return vf;
	knobs = &vf->pf->knobs.attr[attr];
	if (knobs->delay_ms)
		msleep(knobs->delay_ms);
	if (knobs->err)
		return ERR_PTR(-(long)knobs->err);
	if (knobs->busy) {
		knobs->busy--;
		return ERR_PTR(-EBUSY);
	}
	return vf;
}

int hca_set_vf_mac(struct net_device *dev, int index, u8 *mac)
{
	struct hca_vf *vf = hca_vf_gate(hca_fn_of(dev), index, HCA_ATTR_MAC);
	u32 delay;

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	if (is_multicast_ether_addr(mac))
		return -EINVAL;
	delay = vf->pf->knobs.admin_mac_delay_ms;
	if (!delay) {
		hca_vf_store_mac(vf, mac);
		return 0;
	}
	ether_addr_copy(vf->late_mac, mac);
	mod_delayed_work(system_wq, &vf->late_mac_work,
			 msecs_to_jiffies(delay));
	return 0;
}

int hca_set_vf_vlan(struct net_device *dev, int index, u16 vlan, u8 qos,
		    __be16 proto)
{
	struct hca_vf *vf = hca_vf_gate(hca_fn_of(dev), index, HCA_ATTR_VLAN);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	if (vlan >= VLAN_N_VID || qos > 7)
		return -EINVAL;
	if (!eth_type_vlan(proto))
		return -EPROTONOSUPPORT;
	vf->vlan_proto = vlan ? proto : htons(ETH_P_8021Q);
	vf->qos = qos;
	vf->vlan = vlan;
	return 0;
}

int hca_set_vf_rate(struct net_device *dev, int index, int min, int max)
{
	struct hca_vf *vf = hca_vf_gate(hca_fn_of(dev), index, HCA_ATTR_RATE);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	if (min < 0 || max < 0 || min > HCA_MAX_RATE || max > HCA_MAX_RATE ||
	    (max && min > max))
		return -EINVAL;
	vf->min_rate = min;
	vf->max_rate = max;
	return 0;
}

int hca_set_vf_spoofchk(struct net_device *dev, int index, bool on)
{
	struct hca_vf *vf = hca_vf_gate(hca_fn_of(dev), index, HCA_ATTR_SPOOFCHK);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	vf->spoofchk = on;
	return 0;
}

int hca_set_vf_trust(struct net_device *dev, int index, bool on)
{
	struct hca_vf *vf = hca_vf_gate(hca_fn_of(dev), index, HCA_ATTR_TRUST);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	vf->trust = on;
	return 0;
}

int hca_vf_store_link_state(struct hca_fn *fn, int index, int state)
{
	struct hca_vf *vf = hca_vf_gate(fn, index, HCA_ATTR_LINK_STATE);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	if (state < IFLA_VF_LINK_STATE_AUTO || state > IFLA_VF_LINK_STATE_DISABLE)
		return -EINVAL;
	vf->link_state = state;
	hca_net_update_carrier(vf->pf);
	return 0;
}

int hca_set_vf_link_state(struct net_device *dev, int index, int state)
{
	return hca_vf_store_link_state(hca_fn_of(dev), index, state);
}

int hca_vf_store_guid(struct hca_fn *fn, int index, u64 guid, int type)
{
	bool node = type == IFLA_VF_IB_NODE_GUID;
	struct hca_vf *vf = hca_vf_gate(fn, index, node ? HCA_ATTR_NODE_GUID :
							  HCA_ATTR_PORT_GUID);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	if (node)
		vf->node_guid = guid;
	else
		vf->port_guid = guid;
	return 0;
}

int hca_set_vf_guid(struct net_device *dev, int index, u64 guid, int type)
{
	return hca_vf_store_guid(hca_fn_of(dev), index, guid, type);
}

int hca_vf_load_guid(struct hca_fn *fn, int index, struct ifla_vf_guid *node,
		     struct ifla_vf_guid *port)
{
	struct hca_vf *vf = hca_vf_get(fn, index);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	node->guid = vf->node_guid;
	port->guid = vf->port_guid;
	return 0;
}

int hca_get_vf_guid(struct net_device *dev, int index,
		    struct ifla_vf_guid *node, struct ifla_vf_guid *port)
{
	return hca_vf_load_guid(hca_fn_of(dev), index, node, port);
}

int hca_vf_load_config(struct hca_fn *fn, int index, struct ifla_vf_info *info)
{
	struct hca_vf *vf = hca_vf_get(fn, index);

	if (IS_ERR(vf))
		return PTR_ERR(vf);
	info->vf = index;
	info->linkstate = vf->link_state;
	/* InfiniBand has nothing else to report. */
	if (hca_is_ib())
		return 0;
	ether_addr_copy(info->mac, vf->mac);
	info->vlan = vf->vlan;
	info->qos = vf->qos;
	info->vlan_proto = vf->vlan_proto;
	info->min_tx_rate = vf->min_rate;
	info->max_tx_rate = vf->max_rate;
	info->spoofchk = vf->spoofchk;
	info->trusted = vf->trust;
	return 0;
}

int hca_get_vf_config(struct net_device *dev, int index,
		      struct ifla_vf_info *info)
{
	return hca_vf_load_config(hca_fn_of(dev), index, info);
}
