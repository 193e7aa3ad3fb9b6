// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA: queue pairs and what they receive into. Everything
 * here, completion queues included, is under one lock for each PF.
 */
#include "hca.h"

static atomic_t hca_next_qpn = ATOMIC_INIT(16);

static int hca_create_qp(struct ib_qp *ibqp, struct ib_qp_init_attr *attr,
			 struct ib_udata *udata)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_qp *qp = hca_qp_of(ibqp);

	qp->size = attr->cap.max_recv_wr + 1;
	qp->ring = kvcalloc(qp->size, sizeof(*qp->ring), GFP_KERNEL);
	if (!qp->ring)
		return -ENOMEM;
	INIT_LIST_HEAD(&qp->groups);
	/* The management queues have fixed numbers. */
	if (attr->qp_type == IB_QPT_SMI || attr->qp_type == IB_QPT_GSI)
		ibqp->qp_num = attr->qp_type == IB_QPT_GSI;
	else
		ibqp->qp_num = atomic_inc_return(&hca_next_qpn);
	spin_lock_irq(&pf->verbs_lock);
	list_add_tail(&qp->list, &pf->qps);
	spin_unlock_irq(&pf->verbs_lock);
	return 0;
}

static void hca_complete_recv(struct hca_qp *qp, struct ib_wc *wc)
{
	wc->wr_id = qp->ring[qp->head].wr_id;
	wc->opcode = IB_WC_RECV;
	wc->qp = &qp->ibqp;
	wc->port_num = 1;
	qp->head = (qp->head + 1) % qp->size;
	hca_cq_push(qp->ibqp.recv_cq, wc);
}

static void hca_flush(struct hca_qp *qp)
{
	while (qp->head != qp->tail) {
		struct ib_wc wc = { .status = IB_WC_WR_FLUSH_ERR };

		hca_complete_recv(qp, &wc);
	}
}

static int hca_modify_qp(struct ib_qp *ibqp, struct ib_qp_attr *attr, int mask,
			 struct ib_udata *udata)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_qp *qp = hca_qp_of(ibqp);
	unsigned long flags;

	spin_lock_irqsave(&pf->verbs_lock, flags);
	if (mask & IB_QP_PKEY_INDEX)
		qp->pkey_index = attr->pkey_index;
	if (mask & IB_QP_STATE) {
		qp->state = attr->qp_state;
		if (qp->state == IB_QPS_ERR)
			hca_flush(qp);
		else if (qp->state == IB_QPS_RESET)
			qp->head = qp->tail;
	}
	spin_unlock_irqrestore(&pf->verbs_lock, flags);
	return 0;
}

static int hca_destroy_qp(struct ib_qp *ibqp, struct ib_udata *udata)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_qp *qp = hca_qp_of(ibqp);
	struct hca_group *group, *next;

	spin_lock_irq(&pf->verbs_lock);
	list_del(&qp->list);
	spin_unlock_irq(&pf->verbs_lock);
	list_for_each_entry_safe(group, next, &qp->groups, list)
		kfree(group);
	kvfree(qp->ring);
	return 0;
}

static int hca_post_recv(struct ib_qp *ibqp, const struct ib_recv_wr *wr,
			 const struct ib_recv_wr **bad)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_qp *qp = hca_qp_of(ibqp);
	unsigned long flags;

	spin_lock_irqsave(&pf->verbs_lock, flags);
	for (; wr; wr = wr->next) {
		u32 next = (qp->tail + 1) % qp->size;
		struct hca_recv *recv = &qp->ring[qp->tail];

		if (next == qp->head || wr->num_sge > HCA_SGES)
			break;
		recv->wr_id = wr->wr_id;
		recv->num_sge = wr->num_sge;
		memcpy(recv->sge, wr->sg_list, wr->num_sge * sizeof(*recv->sge));
		qp->tail = next;
	}
	if (qp->state == IB_QPS_ERR)
		hca_flush(qp);
	spin_unlock_irqrestore(&pf->verbs_lock, flags);
	*bad = wr;
	return wr ? -ENOMEM : 0;
}

/*
 * Called with the lock held. Addresses are the kernel's own: the RDMA core maps
 * nothing for a device that does no DMA.
 */
void hca_qp_receive(struct hca_qp *qp, const void *frame, u32 len,
		    struct ib_wc *wc)
{
	const struct hca_recv *recv = &qp->ring[qp->head];
	u32 done = 0;
	int i;

	/* As on hardware: a datagram that nobody waits for is lost. */
	if (qp->state < IB_QPS_RTR || qp->state == IB_QPS_ERR ||
	    qp->head == qp->tail)
		return;
	for (i = 0; i < recv->num_sge && done < len; i++) {
		u32 part = min(recv->sge[i].length, len - done);

		memcpy((void *)(uintptr_t)recv->sge[i].addr, frame + done, part);
		done += part;
	}
	wc->status = done < len ? IB_WC_LOC_LEN_ERR : IB_WC_SUCCESS;
	wc->byte_len = len;
	hca_complete_recv(qp, wc);
}

static struct hca_group *hca_find_group(struct hca_qp *qp,
					const union ib_gid *gid)
{
	struct hca_group *group;

	list_for_each_entry(group, &qp->groups, list)
		if (!memcmp(&group->gid, gid, sizeof(*gid)))
			return group;
	return NULL;
}

bool hca_qp_is_in_group(struct hca_qp *qp, const union ib_gid *gid)
{
	return hca_find_group(qp, gid);
}

static int hca_attach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct hca_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;

	if (!group)
		return -ENOMEM;
	group->gid = *gid;
	spin_lock_irq(&pf->verbs_lock);
	list_add_tail(&group->list, &hca_qp_of(ibqp)->groups);
	spin_unlock_irq(&pf->verbs_lock);
	return 0;
}

static int hca_detach_mcast(struct ib_qp *ibqp, union ib_gid *gid, u16 lid)
{
	struct hca_pf *pf = hca_ib_fn(ibqp->device)->pf;
	struct hca_group *group;

	spin_lock_irq(&pf->verbs_lock);
	group = hca_find_group(hca_qp_of(ibqp), gid);
	if (group)
		list_del(&group->list);
	spin_unlock_irq(&pf->verbs_lock);
	kfree(group);
	return group ? 0 : -EINVAL;
}

const struct ib_device_ops hca_qp_ops = {
	.create_qp = hca_create_qp,
	.modify_qp = hca_modify_qp,
	.destroy_qp = hca_destroy_qp,
	.post_recv = hca_post_recv,
	.attach_mcast = hca_attach_mcast,
	.detach_mcast = hca_detach_mcast,
	INIT_RDMA_OBJ_SIZE(ib_qp, hca_qp, ibqp),
};
