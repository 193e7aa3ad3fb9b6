// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA: a subnet administrator that is asked by IPoIB. Every
 * multicast group is there for everybody, every port of the PF has a path.
 */
#include <linux/jhash.h>
#include <rdma/ib_mad.h>
#include <rdma/ib_sa.h>

#include "hca.h"

#define HCA_SA_NO_RECORDS	0x0300	/* IBA 15.2.3, table 182 */
#define HCA_EXACTLY(value)	(2 << 6 | (value))	/* selector, value */

/* As they are on the wire: IBA 15.2.5.17 and 15.2.5.16. */
struct hca_member_record {
	union ib_gid mgid;
	union ib_gid port_gid;
	__be32 qkey;
	__be16 mlid;
	u8 mtu;
	u8 tclass;
	__be16 pkey;
	u8 rate;
	u8 lifetime;
	__be32 sl_flow_hop;
	u8 scope_join_state;
	u8 proxy_join;
	u8 reserved[2];
} __packed;

struct hca_path_record {
	__be64 service_id;
	union ib_gid dgid;
	union ib_gid sgid;
	__be16 dlid;
	__be16 slid;
	__be32 flow_hop;
	u8 tclass;
	u8 reversible_numb_path;
	__be16 pkey;
	__be16 qos_sl;
	u8 mtu;
	u8 rate;
	u8 lifetime;
	u8 preference;
	u8 reserved[6];
} __packed;

static void hca_sa_member(struct hca_member_record *record)
{
	u32 hash = jhash(&record->mgid, sizeof(record->mgid), 0);

	record->mlid = cpu_to_be16(0xc000 + (hash & 0xfff));
	if (!record->qkey)
		record->qkey = cpu_to_be32(0x0b1b);	/* RFC 4391's example */
	record->mtu = HCA_EXACTLY(IB_MTU_4096);
	record->rate = HCA_EXACTLY(IB_RATE_100_GBPS);
	record->lifetime = HCA_EXACTLY(18);
}

static struct hca_fn *hca_sa_find(struct hca_pf *pf, const union ib_gid *gid)
{
	struct hca_fn *fn;
	union ib_gid own;

	list_for_each_entry_rcu(fn, &pf->members, member) {
		hca_port_gid(fn, &own);
		if (!memcmp(&own, gid, sizeof(own)))
			return fn;
	}
	return NULL;
}

static __be16 hca_sa_path(struct hca_fn *asker, struct hca_path_record *record)
{
	struct hca_fn *to;

	rcu_read_lock();
	to = hca_sa_find(asker->pf, &record->dgid);
	if (to)
		record->dlid = cpu_to_be16(hca_lid(to));
	rcu_read_unlock();
	record->slid = cpu_to_be16(hca_lid(asker));
	record->flow_hop = 0;
	record->reversible_numb_path = 0x80 | 1;
	record->mtu = HCA_EXACTLY(IB_MTU_4096);
	record->rate = HCA_EXACTLY(IB_RATE_100_GBPS);
	record->lifetime = HCA_EXACTLY(18);
	return to ? 0 : cpu_to_be16(HCA_SA_NO_RECORDS);
}

/* Makes an answer of the question; false where there is none to give. */
bool hca_sa_answer(struct hca_fn *asker, struct ib_sa_mad *mad)
{
	struct ib_mad_hdr *header = &mad->mad_hdr;
	struct ib_class_port_info *info = (void *)mad->data;

	if (header->mgmt_class != IB_MGMT_CLASS_SUBN_ADM)
		return false;
	header->status = 0;
	switch (be16_to_cpu(header->attr_id)) {
	case IB_SA_ATTR_MC_MEMBER_REC:
		hca_sa_member((void *)mad->data);
		break;
	case IB_SA_ATTR_PATH_REC:
		header->status = hca_sa_path(asker, (void *)mad->data);
		break;
	case IB_SA_ATTR_CLASS_PORTINFO:
		memset(mad->data, 0, sizeof(mad->data));
		info->base_version = 1;
		info->class_version = 2;
		break;
	default:
		return false;
	}
	/* SET, too, is answered as GET is. */
	header->method = header->method == IB_SA_METHOD_DELETE ?
			 IB_SA_METHOD_DELETE_RESP : IB_MGMT_METHOD_GET_RESP;
	return true;
}
