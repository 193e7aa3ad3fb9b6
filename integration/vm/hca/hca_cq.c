// SPDX-License-Identifier: GPL-2.0
/* Test-only emulated HCA: completion queues. */
#include <rdma/uverbs_ioctl.h>

#include "hca.h"

struct hca_cq {
	struct ib_cq ibcq;
	struct ib_wc *ring;
	u32 size, head, tail;
	bool armed;
};

static struct hca_cq *hca_cq_of(struct ib_cq *cq)
{
	return container_of(cq, struct hca_cq, ibcq);
}

static struct hca_pf *hca_cq_pf(struct ib_cq *cq)
{
	return hca_ib_fn(cq->device)->pf;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int hca_create_cq(struct ib_cq *ibcq,
			 const struct ib_cq_init_attr *attr,
			 struct uverbs_attr_bundle *attrs)
#else
static int hca_create_cq(struct ib_cq *ibcq,
			 const struct ib_cq_init_attr *attr,
			 struct ib_udata *udata)
#endif
{
	struct hca_cq *cq = hca_cq_of(ibcq);

	/* One place stays empty, to tell a full ring from an empty one. */
	cq->size = attr->cqe + 1;
	cq->ring = kvcalloc(cq->size, sizeof(*cq->ring), GFP_KERNEL);
	if (!cq->ring)
		return -ENOMEM;
	ibcq->cqe = attr->cqe;
	return 0;
}

static int hca_destroy_cq(struct ib_cq *ibcq, struct ib_udata *udata)
{
	kvfree(hca_cq_of(ibcq)->ring);
	return 0;
}

/*
 * Called with the PF's verbs_lock held. The handlers of the kernel's users put
 * work off and come back for it later.
 */
void hca_cq_push(struct ib_cq *ibcq, const struct ib_wc *wc)
{
	struct hca_cq *cq = hca_cq_of(ibcq);
	u32 next = (cq->tail + 1) % cq->size;

	if (WARN_ON_ONCE(next == cq->head))
		return;
	cq->ring[cq->tail] = *wc;
	cq->tail = next;
	if (!cq->armed)
		return;
	cq->armed = false;
	ibcq->comp_handler(ibcq, ibcq->cq_context);
}

static int hca_poll_cq(struct ib_cq *ibcq, int count, struct ib_wc *wc)
{
	struct hca_pf *pf = hca_cq_pf(ibcq);
	struct hca_cq *cq = hca_cq_of(ibcq);
	unsigned long flags;
	int n = 0;

	spin_lock_irqsave(&pf->verbs_lock, flags);
	while (n < count && cq->head != cq->tail) {
		wc[n++] = cq->ring[cq->head];
		cq->head = (cq->head + 1) % cq->size;
	}
	spin_unlock_irqrestore(&pf->verbs_lock, flags);
	return n;
}

static int hca_req_notify_cq(struct ib_cq *ibcq, enum ib_cq_notify_flags how)
{
	struct hca_pf *pf = hca_cq_pf(ibcq);
	struct hca_cq *cq = hca_cq_of(ibcq);
	unsigned long flags;
	bool missed;

	spin_lock_irqsave(&pf->verbs_lock, flags);
	cq->armed = true;
	missed = cq->head != cq->tail;
	spin_unlock_irqrestore(&pf->verbs_lock, flags);
	return missed && (how & IB_CQ_REPORT_MISSED_EVENTS);
}

const struct ib_device_ops hca_cq_ops = {
	.create_cq = hca_create_cq,
	.destroy_cq = hca_destroy_cq,
	.poll_cq = hca_poll_cq,
	.req_notify_cq = hca_req_notify_cq,
	INIT_RDMA_OBJ_SIZE(ib_cq, hca_cq, ibcq),
};
