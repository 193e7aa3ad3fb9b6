// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: frames between the functions of one PF. */
#include <linux/if_vlan.h>

#include "hca.h"

struct hca_tag {
	__be16 proto;
	u16 vid;	/* 0 is untagged */
};

/* The VLAN that an administrator put a function into. */
static struct hca_tag hca_access_tag(const struct hca_fn *fn)
{
	struct hca_tag tag = {};

	if (fn->vf && fn->vf->vlan) {
		tag.proto = fn->vf->vlan_proto;
		tag.vid = fn->vf->vlan;
	}
	return tag;
}

static struct hca_tag hca_frame_tag(struct sk_buff *skb)
{
	struct vlan_ethhdr *header = (struct vlan_ethhdr *)skb->data;
	struct hca_tag tag = {};

	if (skb->len >= VLAN_ETH_HLEN && eth_type_vlan(header->h_vlan_proto) &&
	    pskb_may_pull(skb, VLAN_ETH_HLEN)) {
		header = (struct vlan_ethhdr *)skb->data;
		tag.proto = header->h_vlan_proto;
		tag.vid = ntohs(header->h_vlan_TCI) & VLAN_VID_MASK;
	}
	return tag;
}

static bool hca_promiscuous(const struct hca_fn *fn)
{
	return (fn->netdev->flags & IFF_PROMISC) && (!fn->vf || fn->vf->trust);
}

static bool hca_wants(const struct hca_fn *to, const u8 *dest)
{
	struct netdev_hw_addr *ha;

	if (is_multicast_ether_addr(dest) || hca_promiscuous(to) ||
	    ether_addr_equal(dest, to->netdev->dev_addr))
		return true;
	/* macvlan children put their addresses here. */
	netdev_for_each_uc_addr(ha, to->netdev)
		if (ether_addr_equal(dest, ha->addr))
			return true;
	return false;
}

static void hca_count_rx(struct hca_fn *to, unsigned int len)
{
	atomic64_inc(&to->rx_packets);
	atomic64_add(len, &to->rx_bytes);
}

static void hca_deliver_eth(struct hca_fn *to, struct sk_buff *skb,
			    struct hca_tag tag, struct hca_tag access)
{
	struct hca_tag wanted = hca_access_tag(to);
	unsigned int len = skb->len;

	if (wanted.vid) {
		if (wanted.vid != tag.vid || wanted.proto != tag.proto)
			return;
		/* A VF with a VLAN of its own sees none of it. */
		access = (struct hca_tag){};
	}
	skb = skb_clone(skb, GFP_ATOMIC);
	if (!skb)
		return;
	if (access.vid && skb_vlan_push(skb, access.proto, access.vid))
		return;	/* it has freed the frame */
	if (dev_forward_skb(to->netdev, skb) == NET_RX_SUCCESS)
		hca_count_rx(to, len);
}

/* True when the frame may not leave: a forged source, or a tag inside a VLAN. */
static bool hca_refuses(struct hca_fn *from, struct sk_buff *skb,
			struct hca_tag tag)
{
	struct hca_vf *vf = from->vf;
	const u8 *own;

	if (!vf)
		return false;
	own = is_zero_ether_addr(vf->mac) ? from->netdev->dev_addr : vf->mac;
	if (vf->spoofchk &&
	    !ether_addr_equal(((struct ethhdr *)skb->data)->h_source, own))
		return true;
	return vf->vlan && tag.vid;
}

static bool hca_switch_eth(struct hca_fn *from, struct sk_buff *skb)
{
	struct hca_tag access = hca_access_tag(from);
	struct hca_tag tag = hca_frame_tag(skb);
	struct hca_fn *to;
	u8 dest[ETH_ALEN];

	skb_reset_mac_header(skb);
	if (hca_refuses(from, skb, tag))
		return false;
	if (access.vid)
		tag = access;
	ether_addr_copy(dest, ((struct ethhdr *)skb->data)->h_dest);
	list_for_each_entry_rcu(to, &from->pf->members, member) {
		if (to == from || !netif_carrier_ok(to->netdev) ||
		    !hca_wants(to, dest))
			continue;
		/* A VLAN of the receiver's own strips the sender's tag. */
		if (hca_access_tag(to).vid && !access.vid && tag.vid) {
			struct sk_buff *bare = skb_copy(skb, GFP_ATOMIC);

			if (bare && !skb_vlan_pop(bare))
				hca_deliver_eth(to, bare, tag, access);
			kfree_skb(bare);
			continue;
		}
		hca_deliver_eth(to, skb, tag, access);
	}
	return true;
}

static void hca_deliver_ib(struct hca_fn *to, struct sk_buff *skb,
			   const struct hca_ib_header *header, bool group)
{
	unsigned int len = skb->len;

	if (!netif_running(to->netdev))
		return;
	skb = skb_clone(skb, GFP_ATOMIC);
	if (!skb)
		return;
	skb_scrub_packet(skb, true);
	skb->dev = to->netdev;
	skb->protocol = header->proto;
	skb->pkt_type = group ? PACKET_MULTICAST : PACKET_HOST;
	skb_reset_mac_header(skb);
	skb_pull(skb, HCA_IB_HLEN);
	skb_reset_network_header(skb);
	if (netif_rx(skb) == NET_RX_SUCCESS)
		hca_count_rx(to, len);
}

static bool hca_switch_ib(struct hca_fn *from, struct sk_buff *skb)
{
	struct hca_ib_header *header = (struct hca_ib_header *)skb->data;
	bool group = header->daddr[4] == 0xff;
	struct hca_fn *to;

	list_for_each_entry_rcu(to, &from->pf->members, member) {
		if (to == from || !netif_carrier_ok(to->netdev))
			continue;
		if (group || !memcmp(header->daddr, to->netdev->dev_addr,
				     HCA_IB_ALEN))
			hca_deliver_ib(to, skb, header, group);
	}
	return true;
}

netdev_tx_t hca_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned int header = hca_is_ib() ? HCA_IB_HLEN : ETH_HLEN;
	struct hca_fn *from = hca_fn_of(dev);
	bool sent;

	if (!pskb_may_pull(skb, header)) {
		atomic64_inc(&from->tx_dropped);
		goto out;
	}
	rcu_read_lock();
	sent = hca_is_ib() ? hca_switch_ib(from, skb) :
			     hca_switch_eth(from, skb);
	rcu_read_unlock();
	if (sent) {
		atomic64_inc(&from->tx_packets);
		atomic64_add(skb->len, &from->tx_bytes);
	} else {
		atomic64_inc(&from->tx_dropped);
	}
out:
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}
