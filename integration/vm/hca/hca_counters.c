// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only emulated HCA: the port's counters. The core reads counters/ by
 * performance management MADs and hw_counters/ by an operation of its own.
 */
#include <rdma/ib_mad.h>
#include <rdma/ib_pma.h>

#include "hca.h"

/* Names as in /sys/class/infiniband/DEVICE/ports/1/counters. */
const char * const hca_port_counter_names[HCA_PORT_COUNTERS] = {
	[HCA_SYMBOL_ERROR] = "symbol_error",
	[HCA_LINK_ERROR_RECOVERY] = "link_error_recovery",
	[HCA_LINK_DOWNED] = "link_downed",
	[HCA_PORT_RCV_ERRORS] = "port_rcv_errors",
	[HCA_PORT_XMIT_DISCARDS] = "port_xmit_discards",
	[HCA_PORT_XMIT_WAIT] = "port_xmit_wait",
	[HCA_PORT_XMIT_DATA] = "port_xmit_data",
	[HCA_PORT_RCV_DATA] = "port_rcv_data",
	[HCA_PORT_XMIT_PACKETS] = "port_xmit_packets",
	[HCA_PORT_RCV_PACKETS] = "port_rcv_packets",
};

static const struct rdma_stat_desc hca_hw_descs[HCA_HW_COUNTERS] = {
	[HCA_RX_WRITE_REQUESTS].name = "rx_write_requests",
	[HCA_RX_READ_REQUESTS].name = "rx_read_requests",
	[HCA_OUT_OF_BUFFER].name = "out_of_buffer",
	[HCA_OUT_OF_SEQUENCE].name = "out_of_sequence",
	[HCA_PACKET_SEQ_ERR].name = "packet_seq_err",
	[HCA_LOCAL_ACK_TIMEOUT_ERR].name = "local_ack_timeout_err",
	[HCA_RNR_NAK_RETRY_ERR].name = "rnr_nak_retry_err",
	[HCA_NP_CNP_SENT].name = "np_cnp_sent",
	[HCA_NP_ECN_MARKED_ROCE_PACKETS].name = "np_ecn_marked_roce_packets",
	[HCA_RP_CNP_HANDLED].name = "rp_cnp_handled",
};

const char *hca_hw_counter_name(int index)
{
	return hca_hw_descs[index].name;
}

static struct rdma_hw_stats *hca_alloc_hw_port_stats(struct ib_device *ibdev,
						     u32 port)
{
	/* No caching: what a test has set shows at once. */
	return rdma_alloc_hw_stats_struct(hca_hw_descs, HCA_HW_COUNTERS, 0);
}

static int hca_get_hw_stats(struct ib_device *ibdev,
			    struct rdma_hw_stats *stats, u32 port, int index)
{
	struct hca_fn *fn = container_of(ibdev, struct hca_rdma, ibdev)->fn;
	int i;

	if (!port)
		return -EOPNOTSUPP;
	for (i = 0; i < HCA_HW_COUNTERS; i++)
		stats->value[i] = fn->hw_counters[i];
	return HCA_HW_COUNTERS;
}

static void hca_fill_counters(struct ib_pma_portcounters *out, const u64 *value)
{
	out->symbol_error_counter = cpu_to_be16(value[HCA_SYMBOL_ERROR]);
	out->link_error_recovery_counter = value[HCA_LINK_ERROR_RECOVERY];
	out->link_downed_counter = value[HCA_LINK_DOWNED];
	out->port_rcv_errors = cpu_to_be16(value[HCA_PORT_RCV_ERRORS]);
	out->port_xmit_discards = cpu_to_be16(value[HCA_PORT_XMIT_DISCARDS]);
	out->port_xmit_wait = cpu_to_be32(value[HCA_PORT_XMIT_WAIT]);
}

static void hca_fill_wide_counters(struct ib_pma_portcounters_ext *out,
				   const u64 *value)
{
	out->port_xmit_data = cpu_to_be64(value[HCA_PORT_XMIT_DATA]);
	out->port_rcv_data = cpu_to_be64(value[HCA_PORT_RCV_DATA]);
	out->port_xmit_packets = cpu_to_be64(value[HCA_PORT_XMIT_PACKETS]);
	out->port_rcv_packets = cpu_to_be64(value[HCA_PORT_RCV_PACKETS]);
}

static int hca_process_mad(struct ib_device *ibdev, int flags, u32 port,
			   const struct ib_wc *wc, const struct ib_grh *grh,
			   const struct ib_mad *in, struct ib_mad *out,
			   size_t *out_size, u16 *out_pkey_index)
{
	struct hca_fn *fn = container_of(ibdev, struct hca_rdma, ibdev)->fn;
	struct ib_pma_mad *reply = (struct ib_pma_mad *)out;
	struct ib_class_port_info *info = (void *)reply->data;

	if (in->mad_hdr.mgmt_class != IB_MGMT_CLASS_PERF_MGMT)
		return IB_MAD_RESULT_SUCCESS;
	memset(reply->data, 0, sizeof(reply->data));
	switch (in->mad_hdr.attr_id) {
	case IB_PMA_CLASS_PORT_INFO:
		info->capability_mask = IB_PMA_CLASS_CAP_EXT_WIDTH;
		break;
	case IB_PMA_PORT_COUNTERS:
		hca_fill_counters((void *)reply->data, fn->port_counters);
		break;
	case IB_PMA_PORT_COUNTERS_EXT:
		hca_fill_wide_counters((void *)reply->data, fn->port_counters);
		break;
	default:
		return IB_MAD_RESULT_FAILURE;
	}
	return IB_MAD_RESULT_SUCCESS | IB_MAD_RESULT_REPLY;
}

const struct ib_device_ops hca_counter_ops = {
	.alloc_hw_port_stats = hca_alloc_hw_port_stats,
	.get_hw_stats = hca_get_hw_stats,
	.process_mad = hca_process_mad,
};
