// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA: datagrams between the functions of one PF, which are
 * a subnet of their own. Partitions are enforced, queue keys are not.
 */
#include <rdma/ib_mad.h>

#include "hca.h"

struct hca_ah {
	struct ib_ah ibah;
	struct rdma_ah_attr attr;
};

/* A datagram under way; its payload is in the PF's frame, behind the header. */
struct hca_datagram {
	struct hca_qp *from;
	const struct hca_ah *ah;
	u32 dlid;
	u32 qpn;
	u16 pkey;
	u32 len;
};

static struct hca_ah *hca_ah_of(struct ib_ah *ah)
{
	return container_of(ah, struct hca_ah, ibah);
}

static int hca_create_ah(struct ib_ah *ah, struct rdma_ah_init_attr *attr,
			 struct ib_udata *udata)
{
	struct rdma_ah_attr *own = &hca_ah_of(ah)->attr;

	*own = *attr->ah_attr;
	/* The reference is the caller's. */
	own->grh.sgid_attr = NULL;
	return 0;
}

static int hca_query_ah(struct ib_ah *ah, struct rdma_ah_attr *attr)
{
	*attr = hca_ah_of(ah)->attr;
	return 0;
}

static int hca_destroy_ah(struct ib_ah *ah, u32 flags)
{
	return 0;
}

static bool hca_ah_has_grh(const struct hca_ah *ah)
{
	return ah->attr.ah_flags & IB_AH_GRH;
}

static bool hca_is_to_group(const struct hca_datagram *datagram)
{
	return hca_ah_has_grh(datagram->ah) &&
	       datagram->ah->attr.grh.dgid.raw[0] == 0xff;
}

static bool hca_is_for(const struct hca_datagram *datagram, struct hca_qp *to)
{
	struct hca_fn *fn = hca_ib_fn(to->ibqp.device);
	u16 pkey = hca_pkey(to->pkey_index);

	/* Bit 15 is the membership: full or limited. */
	if ((pkey ^ datagram->pkey) & 0x7fff || !hca_link_is_on(fn))
		return false;
	if (hca_is_to_group(datagram))
		return to != datagram->from &&
		       hca_qp_is_in_group(to, &datagram->ah->attr.grh.dgid);
	return hca_lid(fn) == datagram->dlid && to->ibqp.qp_num == datagram->qpn;
}

static void hca_fill_grh(struct hca_fn *from, const struct hca_ah *ah,
			 struct ib_grh *grh)
{
	memset(grh, 0, sizeof(*grh));
	if (!hca_ah_has_grh(ah))
		return;
	hca_port_gid(from, &grh->sgid);
	grh->dgid = ah->attr.grh.dgid;
}

/* Where the SA is, there is nobody else. */
static void hca_ask_sa(struct hca_pf *pf, const struct hca_datagram *datagram)
{
	struct hca_fn *asker = hca_ib_fn(datagram->from->ibqp.device);
	struct ib_wc wc = { .slid = HCA_SM_LID, .src_qp = 1 };
	struct ib_sa_mad *mad = (void *)pf->frame + sizeof(struct ib_grh);

	if (datagram->len < sizeof(*mad) || !hca_sa_answer(asker, mad))
		return;
	memset(pf->frame, 0, sizeof(struct ib_grh));
	hca_qp_receive(datagram->from, pf->frame,
		       sizeof(struct ib_grh) + sizeof(*mad), &wc);
}

static void hca_deliver(struct hca_pf *pf, const struct hca_datagram *datagram)
{
	struct hca_fn *from = hca_ib_fn(datagram->from->ibqp.device);
	u32 len = sizeof(struct ib_grh) + datagram->len;
	struct hca_qp *to;

	if (datagram->dlid == HCA_SM_LID) {
		hca_ask_sa(pf, datagram);
		return;
	}
	hca_fill_grh(from, datagram->ah, (struct ib_grh *)pf->frame);
	list_for_each_entry(to, &pf->qps, list) {
		struct ib_wc wc = {
			.slid = hca_lid(from),
			.src_qp = datagram->from->ibqp.qp_num,
			.pkey_index = to->pkey_index,
			.wc_flags = hca_ah_has_grh(datagram->ah) ? IB_WC_GRH : 0,
		};

		if (hca_is_for(datagram, to))
			hca_qp_receive(to, pf->frame, len, &wc);
	}
}

static bool hca_gather(struct hca_pf *pf, const struct ib_send_wr *wr, u32 *len)
{
	u8 *payload = pf->frame + sizeof(struct ib_grh);
	int i;

	*len = 0;
	for (i = 0; i < wr->num_sge; i++) {
		const struct ib_sge *sge = &wr->sg_list[i];

		if (*len + sge->length > HCA_MTU)
			return false;
		memcpy(payload + *len, (void *)(uintptr_t)sge->addr, sge->length);
		*len += sge->length;
	}
	return true;
}

static bool hca_send(struct hca_pf *pf, struct hca_qp *from,
		     const struct ib_send_wr *wr)
{
	const struct ib_ud_wr *ud = ud_wr(wr);
	bool management = from->ibqp.qp_type == IB_QPT_GSI;
	struct hca_datagram datagram = {
		.from = from,
		.ah = hca_ah_of(ud->ah),
		.qpn = ud->remote_qpn,
		.pkey = hca_pkey(management ? ud->pkey_index : from->pkey_index),
	};

	datagram.dlid = rdma_ah_get_dlid(&datagram.ah->attr);
	if (!hca_gather(pf, wr, &datagram.len))
		return false;
	if (hca_link_is_on(hca_ib_fn(from->ibqp.device)))
		hca_deliver(pf, &datagram);
	return true;
}

/* RoCE sends nothing; directed-route packets of the fabric have nowhere to go. */
static bool hca_can_send(const struct hca_qp *qp)
{
	return hca_is_ib() && (qp->ibqp.qp_type == IB_QPT_UD ||
			       qp->ibqp.qp_type == IB_QPT_GSI);
}

/* An accepted send without completion would make its agent wait for ever. */
static int hca_post_send(struct ib_qp *ibqp, const struct ib_send_wr *wr,
			 const struct ib_send_wr **bad)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_qp *qp = hca_qp_of(ibqp);
	unsigned long flags;

	*bad = wr;
	if (!hca_can_send(qp))
		return -EIO;
	spin_lock_irqsave(&pf->verbs_lock, flags);
	for (; wr; wr = wr->next) {
		struct ib_wc wc = {
			.wr_id = wr->wr_id,
			.opcode = IB_WC_SEND,
			.qp = ibqp,
			.status = IB_WC_SUCCESS,
		};

		if (qp->state == IB_QPS_ERR)
			wc.status = IB_WC_WR_FLUSH_ERR;
		else if (!hca_send(pf, qp, wr))
			wc.status = IB_WC_LOC_LEN_ERR;
		hca_cq_push(ibqp->send_cq, &wc);
	}
	spin_unlock_irqrestore(&pf->verbs_lock, flags);
	return 0;
}

const struct ib_device_ops hca_ud_ops = {
	.create_ah = hca_create_ah,
	.query_ah = hca_query_ah,
	.destroy_ah = hca_destroy_ah,
	.post_send = hca_post_send,
	INIT_RDMA_OBJ_SIZE(ib_ah, hca_ah, ibah),
};
