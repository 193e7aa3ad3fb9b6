// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: net_devices of PFs and VFs. */
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include "hca.h"

/* RFC 4391: the broadcast group of the default partition. */
static const u8 hca_ib_broadcast[HCA_IB_ALEN] = {
	0x00, 0xff, 0xff, 0xff, 0xff, 0x12, 0x40, 0x1b, 0xff, 0xff,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff
};

static int hca_open(struct net_device *dev)
{
	struct hca_fn *fn = hca_fn_of(dev);

	if (fn->vf && fn->pf->knobs.open_busy) {
		fn->pf->knobs.open_busy--;
		return -EBUSY;
	}
	netif_start_queue(dev);
	return 0;
}

static int hca_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	return 0;
}

static void hca_get_stats64(struct net_device *dev,
			    struct rtnl_link_stats64 *stats)
{
	struct hca_fn *fn = hca_fn_of(dev);

	stats->rx_packets = atomic64_read(&fn->rx_packets);
	stats->rx_bytes = atomic64_read(&fn->rx_bytes);
	stats->tx_packets = atomic64_read(&fn->tx_packets);
	stats->tx_bytes = atomic64_read(&fn->tx_bytes);
	stats->tx_dropped = atomic64_read(&fn->tx_dropped);
}

/* Called with the RTNL held. */
void hca_net_apply_mac(struct net_device *dev, const u8 *mac)
{
	eth_hw_addr_set(dev, mac);
	call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
}

void hca_net_late_mac(struct work_struct *work)
{
	struct hca_fn *fn = container_of(to_delayed_work(work), struct hca_fn,
					 mac_work);

	rtnl_lock();
	/* The netdev may be on its way out. */
	if (fn->netdev && fn->netdev->reg_state == NETREG_REGISTERED)
		hca_net_apply_mac(fn->netdev, fn->late_mac);
	rtnl_unlock();
}

/* With mac_needs_trust, as on ixgbe: what the administrator set stays. */
static bool hca_mac_refused(struct hca_fn *fn, const u8 *mac)
{
	struct hca_vf *vf = fn->vf;

	return vf && fn->pf->knobs.mac_needs_trust && !vf->trust &&
	       !is_zero_ether_addr(vf->mac) && !ether_addr_equal(vf->mac, mac);
}

static int hca_set_mac(struct net_device *dev, void *p)
{
	struct hca_fn *fn = hca_fn_of(dev);
	struct sockaddr *sa = p;
	u32 delay = fn->pf->knobs.own_mac_delay_ms;

	if (!is_valid_ether_addr(sa->sa_data))
		return -EADDRNOTAVAIL;
	if (hca_mac_refused(fn, sa->sa_data))
		return -EPERM;
	if (fn->vf && delay) {
		ether_addr_copy(fn->late_mac, sa->sa_data);
		mod_delayed_work(system_wq, &fn->mac_work,
				 msecs_to_jiffies(delay));
		return 0;
	}
	eth_hw_addr_set(dev, sa->sa_data);
	return 0;
}

#define HCA_NDO_COMMON						\
	.ndo_open = hca_open,					\
	.ndo_stop = hca_stop,					\
	.ndo_start_xmit = hca_xmit,				\
	.ndo_get_stats64 = hca_get_stats64

static void hca_set_rx_mode(struct net_device *dev)
{
	/* The switch looks at the flags of the netdev itself. */
}

static const struct net_device_ops hca_vf_ops = {
	HCA_NDO_COMMON,
	.ndo_set_rx_mode = hca_set_rx_mode,
	.ndo_set_mac_address = hca_set_mac,
	.ndo_validate_addr = eth_validate_addr,
};

static const struct net_device_ops hca_pf_ops = {
	HCA_NDO_COMMON,
	.ndo_set_rx_mode = hca_set_rx_mode,
	.ndo_set_mac_address = hca_set_mac,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_vf_mac = hca_set_vf_mac,
	.ndo_set_vf_vlan = hca_set_vf_vlan,
	.ndo_set_vf_rate = hca_set_vf_rate,
	.ndo_set_vf_spoofchk = hca_set_vf_spoofchk,
	.ndo_set_vf_trust = hca_set_vf_trust,
	.ndo_set_vf_link_state = hca_set_vf_link_state,
	.ndo_get_vf_config = hca_get_vf_config,
};

static const struct net_device_ops hca_ib_vf_ops = {
	HCA_NDO_COMMON,
};

/* The same operations that IPoIB hands on to mlx5, and no others. */
static const struct net_device_ops hca_ib_pf_ops = {
	HCA_NDO_COMMON,
	.ndo_set_vf_link_state = hca_set_vf_link_state,
	.ndo_set_vf_guid = hca_set_vf_guid,
	.ndo_get_vf_guid = hca_get_vf_guid,
	.ndo_get_vf_config = hca_get_vf_config,
};

static void hca_get_drvinfo(struct net_device *dev,
			    struct ethtool_drvinfo *info)
{
	strscpy(info->driver, HCA_NAME, sizeof(info->driver));
	strscpy(info->bus_info, pci_name(hca_fn_of(dev)->pdev),
		sizeof(info->bus_info));
}

static int hca_get_link_ksettings(struct net_device *dev,
				  struct ethtool_link_ksettings *settings)
{
	settings->base.speed = HCA_MAX_RATE;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_OTHER;
	return 0;
}

static const struct ethtool_ops hca_ethtool_ops = {
	.get_drvinfo = hca_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = hca_get_link_ksettings,
};

static int hca_ib_header_create(struct sk_buff *skb, struct net_device *dev,
				unsigned short type, const void *daddr,
				const void *saddr, unsigned int len)
{
	struct hca_ib_header *header = skb_push(skb, HCA_IB_HLEN);

	memset(header, 0, HCA_IB_HLEN);
	header->proto = htons(type);
	if (!daddr)
		return -HCA_IB_HLEN;
	memcpy(header->daddr, daddr, HCA_IB_ALEN);
	return HCA_IB_HLEN;
}

static const struct header_ops hca_ib_header_ops = {
	.create = hca_ib_header_create,
};

static void hca_ib_setup(struct net_device *dev)
{
	dev->type = ARPHRD_INFINIBAND;
	dev->header_ops = &hca_ib_header_ops;
	dev->hard_header_len = HCA_IB_HLEN;
	dev->addr_len = HCA_IB_ALEN;
	dev->mtu = 2044;
	dev->min_mtu = 68;
	dev->max_mtu = 4092;
	dev->tx_queue_len = 256;
	dev->flags = IFF_BROADCAST | IFF_MULTICAST;
	memcpy(dev->broadcast, hca_ib_broadcast, HCA_IB_ALEN);
}

static void hca_ib_address(struct hca_fn *fn, u8 *addr)
{
	__be64 guid = cpu_to_be64(fn->port_guid);

	memset(addr, 0, HCA_IB_ALEN);
	addr[2] = fn->pf->rail;
	addr[3] = fn->number;
	addr[4] = 0xfe;
	addr[5] = 0x80;
	memcpy(addr + 12, &guid, sizeof(guid));
}

static void hca_net_init_link(struct hca_fn *fn, struct net_device *dev)
{
	u8 addr[HCA_IB_ALEN];

	if (hca_is_ib()) {
		dev->netdev_ops = fn->vf ? &hca_ib_vf_ops : &hca_ib_pf_ops;
		hca_ib_address(fn, addr);
		__dev_addr_set(dev, addr, HCA_IB_ALEN);
		return;
	}
	dev->netdev_ops = fn->vf ? &hca_vf_ops : &hca_pf_ops;
	dev->max_mtu = 9978;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	eth_hw_addr_set(dev, fn->mac);
	if (!fn->vf)
		hca_dcb_init(dev);
}

bool hca_link_is_on(struct hca_fn *fn)
{
	int state = fn->vf ? fn->vf->link_state : IFLA_VF_LINK_STATE_AUTO;

	if (state == IFLA_VF_LINK_STATE_AUTO)
		return fn->pf->knobs.carrier;
	return state == IFLA_VF_LINK_STATE_ENABLE;
}

static void hca_set_carrier(struct hca_fn *fn)
{
	if (hca_link_is_on(fn))
		netif_carrier_on(fn->netdev);
	else
		netif_carrier_off(fn->netdev);
}

/* Brings the carrier of every member in line with what was set. */
void hca_net_update_carrier(struct hca_pf *pf)
{
	struct hca_fn *fn;

	mutex_lock(&pf->lock);
	list_for_each_entry(fn, &pf->members, member) {
		if (hca_is_ipoib())
			hca_ipoib_update_port(fn);
		else
			hca_set_carrier(fn);
	}
	mutex_unlock(&pf->lock);
}

static int hca_net_register(struct hca_fn *fn, struct net_device *dev)
{
	int err = register_netdev(dev);

	/* Somebody took the name; udev would not insist either. */
	if (err == -EEXIST) {
		strscpy(dev->name, "eth%d", IFNAMSIZ);
		err = register_netdev(dev);
	}
	return err;
}

int hca_net_add(struct hca_fn *fn)
{
	struct net_device *dev;
	char name[IFNAMSIZ];
	int err;

	snprintf(name, sizeof(name), "rail%d", fn->pf->rail);
	if (fn->vf)
		snprintf(name, sizeof(name), "rail%dv%d", fn->pf->rail,
			 fn->vf->index);
	dev = alloc_netdev(sizeof(struct hca_netdev), name, NET_NAME_ENUM,
			   hca_is_ib() ? hca_ib_setup : ether_setup);
	if (!dev)
		return -ENOMEM;
	((struct hca_netdev *)netdev_priv(dev))->fn = fn;
	SET_NETDEV_DEV(dev, &fn->pdev->dev);
	dev->ethtool_ops = &hca_ethtool_ops;
	hca_net_init_link(fn, dev);
	err = hca_net_register(fn, dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	mutex_lock(&fn->pf->lock);
	fn->netdev = dev;
	list_add_tail_rcu(&fn->member, &fn->pf->members);
	hca_set_carrier(fn);
	mutex_unlock(&fn->pf->lock);
	return 0;
}

void hca_net_remove(struct hca_fn *fn)
{
	if (!fn->netdev)
		return;
	mutex_lock(&fn->pf->lock);
	list_del_rcu(&fn->member);
	mutex_unlock(&fn->pf->lock);
	synchronize_rcu();
	unregister_netdev(fn->netdev);
	cancel_delayed_work_sync(&fn->mac_work);
	free_netdev(fn->netdev);
	fn->netdev = NULL;
}
