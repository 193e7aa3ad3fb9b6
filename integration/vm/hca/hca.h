/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated RDMA HCA for tests only: there is no hardware behind it, and it
 * must never be loaded on a machine that does real work.
 *
 * It binds to the PCI functions of an emulated igb (or, for many VFs, NVMe)
 * and gives each of them a net_device and RDMA devices that behave like those
 * of a mlx5 HCA as far as a CNI plugin can tell.
 */
#ifndef LAB_HCA_H
#define LAB_HCA_H

#include <linux/dcbnl.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/if_link.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>

#define HCA_NAME	"lab_hca"
#define HCA_IB_ALEN	20	/* flags and QPN, then the port's GID */
#define HCA_MAX_RDMA	2	/* RDMA devices of one function */
#define HCA_MAX_RATE	100000	/* Mbit/s */
#define HCA_MTU		4096	/* payload of a datagram */
#define HCA_SGES	4
#define HCA_SM_LID	1
#define HCA_PKEYS	3	/* of an InfiniBand port */

/* What a PF's administrator can set on a VF. */
enum hca_attr {
	HCA_ATTR_MAC,
	HCA_ATTR_VLAN,
	HCA_ATTR_RATE,
	HCA_ATTR_SPOOFCHK,
	HCA_ATTR_TRUST,
	HCA_ATTR_LINK_STATE,
	HCA_ATTR_NODE_GUID,
	HCA_ATTR_PORT_GUID,
	HCA_ATTRS
};

/* How setting one attribute misbehaves. */
struct hca_attr_knobs {
	u32 err;	/* errno to refuse with; 0 accepts */
	u32 busy;	/* the next so many requests answer EBUSY */
	u32 delay_ms;	/* each request takes so long */
};

/* Misbehaviour of a PF and its VFs; README.md has the table. */
struct hca_knobs {
	struct hca_attr_knobs attr[HCA_ATTRS];
	u32 admin_mac_delay_ms;
	u32 admin_mac_live;
	u32 own_mac_delay_ms;
	u32 mac_needs_trust;
	u32 netdev_delay_ms;
	u32 open_busy;
	u32 rdma_devices;
	u32 rdma_no_netns;
	u32 fw_guids;
	u32 probe_errno;
	u32 pfc_errno;
	u32 dcbx_by_firmware;
	u32 carrier;
};

/* One VF as its PF's administrator sees it. */
struct hca_vf {
	struct hca_pf *pf;
	int index;
	u8 mac[ETH_ALEN];
	u16 vlan;
	u8 qos;
	__be16 vlan_proto;
	u32 min_rate;
	u32 max_rate;
	bool spoofchk;
	bool trust;
	int link_state;
	u64 node_guid;
	u64 port_guid;
	u8 late_mac[ETH_ALEN];
	struct delayed_work late_mac_work;
};

/* A PF: an embedded switch with itself and its VFs as members. */
struct hca_pf {
	int rail;
	struct mutex lock;		/* the list of members */
	struct list_head members;	/* struct hca_fn, RCU for readers */
	struct hca_knobs knobs;
	struct hca_vf *vfs;
	int max_vfs;
	u8 pfc;				/* priorities that pause, a bit each */
	struct ieee_ets ets;
	struct dcbnl_buffer buffer;
	spinlock_t verbs_lock;		/* all queues, and the frame */
	struct list_head qps;		/* struct hca_qp */
	u8 frame[sizeof(struct ib_grh) + HCA_MTU];
};

enum hca_port_counter {
	HCA_SYMBOL_ERROR,
	HCA_LINK_ERROR_RECOVERY,
	HCA_LINK_DOWNED,
	HCA_PORT_RCV_ERRORS,
	HCA_PORT_XMIT_DISCARDS,
	HCA_PORT_XMIT_WAIT,
	HCA_PORT_XMIT_DATA,
	HCA_PORT_RCV_DATA,
	HCA_PORT_XMIT_PACKETS,
	HCA_PORT_RCV_PACKETS,
	HCA_PORT_COUNTERS
};

enum hca_hw_counter {
	HCA_RX_WRITE_REQUESTS,
	HCA_RX_READ_REQUESTS,
	HCA_OUT_OF_BUFFER,
	HCA_OUT_OF_SEQUENCE,
	HCA_PACKET_SEQ_ERR,
	HCA_LOCAL_ACK_TIMEOUT_ERR,
	HCA_RNR_NAK_RETRY_ERR,
	HCA_NP_CNP_SENT,
	HCA_NP_ECN_MARKED_ROCE_PACKETS,
	HCA_RP_CNP_HANDLED,
	HCA_HW_COUNTERS
};

struct hca_rdma {
	struct ib_device ibdev;		/* must be first: ib_alloc_device() */
	struct hca_fn *fn;
};

/* One PCI function, PF or VF. */
struct hca_fn {
	struct pci_dev *pdev;
	struct hca_pf *pf;
	struct hca_vf *vf;		/* NULL on the PF itself */
	struct net_device *netdev;	/* NULL until it has appeared */
	struct hca_rdma *rdma[HCA_MAX_RDMA];
	u8 mac[ETH_ALEN];		/* what the function was bound with */
	u64 node_guid;
	u64 port_guid;
	u32 number;			/* unique among the functions of a PF */
	bool port_up;			/* as the port's users know it (ipoib) */
	struct list_head member;	/* of hca_pf.members */
	struct list_head all;		/* of every function, for debugfs */
	struct delayed_work netdev_work;
	struct delayed_work mac_work;
	u8 late_mac[ETH_ALEN];
	atomic64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	atomic64_t tx_dropped;
	u64 port_counters[HCA_PORT_COUNTERS];
	u64 hw_counters[HCA_HW_COUNTERS];
	struct dentry *dir;
};

struct hca_recv {
	u64 wr_id;
	int num_sge;
	struct ib_sge sge[HCA_SGES];
};

struct hca_group {
	struct list_head list;
	union ib_gid gid;
};

struct hca_qp {
	struct ib_qp ibqp;
	struct list_head list;		/* of hca_pf.qps */
	struct list_head groups;	/* struct hca_group */
	struct hca_recv *ring;
	u32 size, head, tail;
	u16 pkey_index;
	enum ib_qp_state state;
};

static inline struct hca_fn *hca_ib_fn(struct ib_device *ibdev)
{
	return container_of(ibdev, struct hca_rdma, ibdev)->fn;
}

static inline struct hca_qp *hca_qp_of(struct ib_qp *qp)
{
	return container_of(qp, struct hca_qp, ibqp);
}

struct hca_netdev {
	struct hca_fn *fn;
};

static inline struct hca_fn *hca_fn_of(struct net_device *dev)
{
	return ((struct hca_netdev *)netdev_priv(dev))->fn;
}

/* hca_main.c */
bool hca_is_ib(void);
bool hca_is_ipoib(void);

/* hca_net.c */
int hca_net_add(struct hca_fn *fn);
void hca_net_remove(struct hca_fn *fn);
void hca_net_late_mac(struct work_struct *work);
void hca_net_update_carrier(struct hca_pf *pf);
bool hca_link_is_on(struct hca_fn *fn);
void hca_net_apply_mac(struct net_device *dev, const u8 *mac);

/* hca_dcb.c */
void hca_dcb_init(struct net_device *dev);

/* hca_switch.c */
#define HCA_IB_HLEN	24	/* destination, protocol, two reserved bytes */

struct hca_ib_header {
	u8 daddr[HCA_IB_ALEN];
	__be16 proto;
	__be16 reserved;
} __packed;

netdev_tx_t hca_xmit(struct sk_buff *skb, struct net_device *dev);

/* hca_vf.c */
int hca_vf_alloc(struct hca_pf *pf, struct pci_dev *pdev);
void hca_vf_reset_all(struct hca_pf *pf);
int hca_set_vf_mac(struct net_device *dev, int index, u8 *mac);
int hca_set_vf_vlan(struct net_device *dev, int index, u16 vlan, u8 qos,
		    __be16 proto);
int hca_set_vf_rate(struct net_device *dev, int index, int min, int max);
int hca_set_vf_spoofchk(struct net_device *dev, int index, bool on);
int hca_set_vf_trust(struct net_device *dev, int index, bool on);
int hca_set_vf_link_state(struct net_device *dev, int index, int state);
int hca_set_vf_guid(struct net_device *dev, int index, u64 guid, int type);
int hca_get_vf_guid(struct net_device *dev, int index,
		    struct ifla_vf_guid *node, struct ifla_vf_guid *port);
int hca_get_vf_config(struct net_device *dev, int index,
		      struct ifla_vf_info *info);
int hca_vf_store_link_state(struct hca_fn *fn, int index, int state);
int hca_vf_store_guid(struct hca_fn *fn, int index, u64 guid, int type);
int hca_vf_load_guid(struct hca_fn *fn, int index, struct ifla_vf_guid *node,
		     struct ifla_vf_guid *port);
int hca_vf_load_config(struct hca_fn *fn, int index, struct ifla_vf_info *info);

/* hca_ib.c */
int hca_ib_add(struct hca_fn *fn);
void hca_ib_remove(struct hca_fn *fn);
int hca_ib_attach_netdev(struct hca_fn *fn);
u16 hca_pkey(u16 index);
u32 hca_lid(struct hca_fn *fn);
void hca_port_gid(struct hca_fn *fn, union ib_gid *gid);

/* hca_verbs.c */
extern const struct ib_device_ops hca_verbs_ops;

/* hca_cq.c */
extern const struct ib_device_ops hca_cq_ops;
void hca_cq_push(struct ib_cq *cq, const struct ib_wc *wc);

/* hca_qp.c */
extern const struct ib_device_ops hca_qp_ops;
void hca_qp_receive(struct hca_qp *qp, const void *frame, u32 len,
		    struct ib_wc *wc);
bool hca_qp_is_in_group(struct hca_qp *qp, const union ib_gid *gid);

/* hca_ud.c */
extern const struct ib_device_ops hca_ud_ops;

/* hca_sa.c */
struct ib_sa_mad;
bool hca_sa_answer(struct hca_fn *asker, struct ib_sa_mad *mad);

/* hca_ipoib.c */
extern const struct ib_device_ops hca_ipoib_ops;
void hca_ipoib_join(struct hca_fn *fn);
void hca_ipoib_leave(struct hca_fn *fn);
void hca_ipoib_update_port(struct hca_fn *fn);

/* hca_counters.c */
extern const struct ib_device_ops hca_counter_ops;
extern const char * const hca_port_counter_names[HCA_PORT_COUNTERS];
extern const char *hca_hw_counter_name(int index);

/* hca_knobs.c */
void hca_knobs_init(void);
void hca_knobs_exit(void);
void hca_knobs_defaults(struct hca_knobs *knobs);
void hca_knobs_add(struct hca_fn *fn);
void hca_knobs_remove(struct hca_fn *fn);

#endif
