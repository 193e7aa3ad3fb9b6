// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA: the verbs that the RDMA core asks for before it makes
 * uverbs, umad and issm devices. Objects can be made; nothing is transferred.
 */
#include <rdma/uverbs_ioctl.h>

#include "hca.h"

struct hca_ucontext {
	struct ib_ucontext ibucontext;
};

struct hca_pd {
	struct ib_pd ibpd;
};

struct hca_cq {
	struct ib_cq ibcq;
};

struct hca_qp {
	struct ib_qp ibqp;
};

struct hca_ah {
	struct ib_ah ibah;
};

static atomic_t hca_next_qpn = ATOMIC_INIT(16);

static int hca_alloc_ucontext(struct ib_ucontext *context,
			      struct ib_udata *udata)
{
	return 0;
}

static void hca_dealloc_ucontext(struct ib_ucontext *context)
{
}

static int hca_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static int hca_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int hca_create_cq(struct ib_cq *cq, const struct ib_cq_init_attr *attr,
			 struct uverbs_attr_bundle *attrs)
#else
static int hca_create_cq(struct ib_cq *cq, const struct ib_cq_init_attr *attr,
			 struct ib_udata *udata)
#endif
{
	cq->cqe = attr->cqe;
	return 0;
}

static int hca_destroy_cq(struct ib_cq *cq, struct ib_udata *udata)
{
	return 0;
}

static int hca_poll_cq(struct ib_cq *cq, int count, struct ib_wc *wc)
{
	return 0;
}

static int hca_req_notify_cq(struct ib_cq *cq, enum ib_cq_notify_flags flags)
{
	return 0;
}

static int hca_create_qp(struct ib_qp *qp, struct ib_qp_init_attr *attr,
			 struct ib_udata *udata)
{
	/* The management queues have fixed numbers. */
	if (attr->qp_type == IB_QPT_SMI || attr->qp_type == IB_QPT_GSI)
		qp->qp_num = attr->qp_type == IB_QPT_GSI;
	else
		qp->qp_num = atomic_inc_return(&hca_next_qpn);
	return 0;
}

static int hca_modify_qp(struct ib_qp *qp, struct ib_qp_attr *attr, int mask,
			 struct ib_udata *udata)
{
	return 0;
}

static int hca_destroy_qp(struct ib_qp *qp, struct ib_udata *udata)
{
	return 0;
}

/* An accepted send without completion would make its agent wait for ever. */
static int hca_post_send(struct ib_qp *qp, const struct ib_send_wr *wr,
			 const struct ib_send_wr **bad)
{
	*bad = wr;
	return -EIO;
}

static int hca_post_recv(struct ib_qp *qp, const struct ib_recv_wr *wr,
			 const struct ib_recv_wr **bad)
{
	return 0;
}

static int hca_create_ah(struct ib_ah *ah, struct rdma_ah_init_attr *attr,
			 struct ib_udata *udata)
{
	return 0;
}

static int hca_destroy_ah(struct ib_ah *ah, u32 flags)
{
	return 0;
}

static struct ib_mr *hca_get_dma_mr(struct ib_pd *pd, int access)
{
	return ERR_PTR(-EOPNOTSUPP);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static struct ib_mr *hca_reg_user_mr(struct ib_pd *pd, u64 start, u64 length,
				     u64 address, int access,
				     struct ib_dmah *dmah,
				     struct ib_udata *udata)
#else
static struct ib_mr *hca_reg_user_mr(struct ib_pd *pd, u64 start, u64 length,
				     u64 address, int access,
				     struct ib_udata *udata)
#endif
{
	return ERR_PTR(-EOPNOTSUPP);
}

static int hca_dereg_mr(struct ib_mr *mr, struct ib_udata *udata)
{
	return 0;
}

const struct ib_device_ops hca_verbs_ops = {
	.alloc_ucontext = hca_alloc_ucontext,
	.dealloc_ucontext = hca_dealloc_ucontext,
	.alloc_pd = hca_alloc_pd,
	.dealloc_pd = hca_dealloc_pd,
	.create_cq = hca_create_cq,
	.destroy_cq = hca_destroy_cq,
	.poll_cq = hca_poll_cq,
	.req_notify_cq = hca_req_notify_cq,
	.create_qp = hca_create_qp,
	.modify_qp = hca_modify_qp,
	.destroy_qp = hca_destroy_qp,
	.post_send = hca_post_send,
	.post_recv = hca_post_recv,
	.create_ah = hca_create_ah,
	.destroy_ah = hca_destroy_ah,
	.get_dma_mr = hca_get_dma_mr,
	.reg_user_mr = hca_reg_user_mr,
	.dereg_mr = hca_dereg_mr,
	INIT_RDMA_OBJ_SIZE(ib_ucontext, hca_ucontext, ibucontext),
	INIT_RDMA_OBJ_SIZE(ib_pd, hca_pd, ibpd),
	INIT_RDMA_OBJ_SIZE(ib_cq, hca_cq, ibcq),
	INIT_RDMA_OBJ_SIZE(ib_qp, hca_qp, ibqp),
	INIT_RDMA_OBJ_SIZE(ib_ah, hca_ah, ibah),
};
