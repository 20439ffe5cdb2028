/**
 * nfnetlink_cthelper: helpers of our own, registered from user space, whose policy expectations live under. Source:
 * linux/netfilter/nfnetlink_cthelper.h. Stock kernels have it; where it is missing, every call says ERR_UNSUPPORTED.
 */
import type { HelperRegistration } from '../../types/conntrack.js'
import type { NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'
import { CthelperError, errnoName, kernelError } from '../base/errors.js'
import { decode, encode, type Field, nest, type TypeOf, text, u8, u16be, u32be } from '../netlink/attribute.js'
import { NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from '../netlink/message.js'
import { NFGENMSG_LENGTH, NFNL_SUBSYS_CTHELPER, nfnetlinkRequest, nfnetlinkType } from '../netlink/nfnetlink.js'

/** enum nfnl_cthelper_pol_type */
const policyTable = {
  name: text(1), // NFCTH_POLICY_NAME
  maxExpected: u32be(2), // NFCTH_POLICY_EXPECT_MAX
  timeout: u32be(3), // NFCTH_POLICY_EXPECT_TIMEOUT, seconds
}

/** enum nfnl_cthelper_policy_type: the number, then one nest a class. */
const policySetTable = {
  count: u32be(1), // NFCTH_POLICY_SET_NUM
  class0: nest(2, policyTable), // NFCTH_POLICY_SET1
  class1: nest(3, policyTable), // NFCTH_POLICY_SET2
  class2: nest(4, policyTable), // NFCTH_POLICY_SET3
  class3: nest(5, policyTable), // NFCTH_POLICY_SET4
}

/** enum nfnl_cthelper_tuple_type */
const tupleTable = {
  l3: u16be(1), // NFCTH_TUPLE_L3PROTONUM
  l4: u8(2), // NFCTH_TUPLE_L4PROTONUM
}

/** enum nfnl_cthelper_type */
const helperTable = {
  name: text(1), // NFCTH_NAME
  tuple: nest(2, tupleTable), // NFCTH_TUPLE
  queue: u32be(3), // NFCTH_QUEUE_NUM
  policies: nest(4, policySetTable), // NFCTH_POLICY
  privateLength: u32be(5), // NFCTH_PRIV_DATA_LEN
  status: u32be(6), // NFCTH_STATUS
} satisfies Record<string, Field<unknown>>

type HelperAttributes = TypeOf<typeof helperTable>

const NFNL_MSG_CTHELPER_NEW = nfnetlinkType(NFNL_SUBSYS_CTHELPER, 0)
const NFNL_MSG_CTHELPER_GET = nfnetlinkType(NFNL_SUBSYS_CTHELPER, 1)
const NFNL_MSG_CTHELPER_DEL = nfnetlinkType(NFNL_SUBSYS_CTHELPER, 2)
const NFCT_HELPER_STATUS_ENABLED = 1
const [ENOENT, EINVAL] = [2, 22]

const classes = ['class0', 'class1', 'class2', 'class3'] as const
const NAME_MAX = 15

function checkRegistration({ name, policies }: HelperRegistration): void {
  const bad = (what: string) => new CthelperError('ERR_ARGUMENT', 'NFNL_MSG_CTHELPER_NEW', what)
  // The kernel cuts longer names, and two helpers would become one.
  if (name.length === 0 || name.length > NAME_MAX)
    throw bad(`helper name of ${name.length} characters, not 1..${NAME_MAX}`)
  if (policies.length === 0 || policies.length > classes.length) throw bad(`${policies.length} policies, not 1..4`)
  for (const policy of policies)
    if (policy.name.length === 0 || policy.name.length > NAME_MAX)
      throw bad(`policy name ${JSON.stringify(policy.name)}`)
}

function attributesOf({ name, family, protocol, enabled, policies }: HelperRegistration): HelperAttributes {
  const set: TypeOf<typeof policySetTable> = { count: policies.length }
  for (const [i, policy] of policies.entries())
    set[classes[i]!] = { name: policy.name, maxExpected: policy.maxExpected, timeout: policy.timeoutSec }
  return {
    name,
    tuple: { l3: family, l4: protocol },
    queue: 0,
    policies: set,
    privateLength: 0,
    status: enabled ? 1 : 0,
  }
}

function registrationOf({ name = '', tuple, policies = {}, status }: HelperAttributes): HelperRegistration {
  const known = classes.slice(0, policies.count ?? 0).map((key) => policies[key] ?? {})
  return {
    name,
    family: tuple?.l3 === 10 ? 10 : 2,
    protocol: tuple?.l4 ?? 0,
    enabled: status === NFCT_HELPER_STATUS_ENABLED,
    policies: known.map((policy) => ({
      name: policy.name ?? '',
      maxExpected: policy.maxExpected ?? 0,
      timeoutSec: policy.timeout ?? 0,
    })),
  }
}

const helperRequest = (type: number, flags: number, attributes: HelperAttributes): NetlinkRequest =>
  nfnetlinkRequest(type, flags, 0, (writer) => encode(helperTable, attributes, writer))

/** nfnetlink answers EINVAL for a subsystem that is not there; a well-formed request has no other reason to get it. */
function helperError(operation: string, errno: number, message: string | undefined): CthelperError {
  if (errno !== EINVAL) return kernelError(operation, errno, message)
  const why = `${operation}: ${errnoName(errno)}: this kernel has no nfnetlink_cthelper`
  return new CthelperError('ERR_UNSUPPORTED', operation, why, { errno, kernelMessage: message })
}

/**
 * NFNL_MSG_CTHELPER_NEW. There is one table for all network namespaces, and it outlives the process: unregister. Rejects with EEXIST (ERR_KERNEL) when the name is taken for that family and protocol, ERR_UNSUPPORTED
 * where the kernel has no nfnetlink_cthelper, ERR_ARGUMENT for names over 15 characters or not 1 to 4 policies.
 */
export async function registerHelper(transport: NetlinkTransport, registration: HelperRegistration): Promise<void> {
  checkRegistration(registration)
  const request = helperRequest(NFNL_MSG_CTHELPER_NEW, NLM_F_CREATE | NLM_F_EXCL, attributesOf(registration))
  const { errno, message } = await transport.request(request)
  if (errno) throw helperError('NFNL_MSG_CTHELPER_NEW', errno, message)
}

/**
 * NFNL_MSG_CTHELPER_DEL, by name, family and protocol. False when there is none. EBUSY while conntracks use it.
 */
export async function unregisterHelper(
  transport: NetlinkTransport,
  { name, family, protocol }: Pick<HelperRegistration, 'name' | 'family' | 'protocol'>,
): Promise<boolean> {
  const attributes = { name, tuple: { l3: family, l4: protocol } }
  const { errno, message } = await transport.request(helperRequest(NFNL_MSG_CTHELPER_DEL, 0, attributes))
  if (errno === ENOENT) return false
  if (errno) throw helperError('NFNL_MSG_CTHELPER_DEL', errno, message)
  return true
}

/** NFNL_MSG_CTHELPER_GET with NLM_F_DUMP: the helpers registered from user space. */
export async function listHelpers(transport: NetlinkTransport): Promise<HelperRegistration[]> {
  const { errno, message, replies } = await transport.request(helperRequest(NFNL_MSG_CTHELPER_GET, NLM_F_DUMP, {}))
  if (errno) throw helperError('NFNL_MSG_CTHELPER_GET', errno, message)
  return replies.map(({ payload }) => registrationOf(decode(helperTable, payload, NFGENMSG_LENGTH)))
}
