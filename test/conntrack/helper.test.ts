import t, { type Test } from 'tap'
import { listHelpers, registerHelper, unregisterHelper } from '../../lib/conntrack/helper.js'
import type { HelperRegistration } from '../../types/conntrack.js'
import type { NetlinkReply, NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'

const registration: HelperRegistration = {
  name: 'cth-media',
  family: 2,
  protocol: 17,
  enabled: false,
  policies: [
    { name: 'signalling', maxExpected: 1, timeoutSec: 180 },
    { name: 'media', maxExpected: 0, timeoutSec: 60 },
  ],
}

/** Rejects with an error of these fields; a regular expression tests a text. */
const rejectsWith = (t: Test, promise: Promise<unknown>, fields: object) => t.rejects(promise, fields as Error)

/** A transport that answers each request with the next of `answers`. */
function answering(...answers: Partial<NetlinkReply>[]): NetlinkTransport & { requests: NetlinkRequest[] } {
  const requests: NetlinkRequest[] = []
  const request = async (asked: NetlinkRequest): Promise<NetlinkReply> => {
    requests.push(asked)
    return { errno: 0, replies: [], ...answers.shift() }
  }
  return { requests, request, batch: (all) => Promise.all(all.map(request)), close: () => {} }
}

t.test('a registration is written and read alike', async (t) => {
  const transport = answering({})
  await registerHelper(transport, registration)
  t.match(transport.requests, [{ type: 0x900, flags: 0x600 }])
  const { payload } = transport.requests[0]!
  const bytes = Buffer.from(payload).toString('hex')
  // NFCTH_TUPLE { L3PROTONUM 2, L4PROTONUM 17 }, and the first policy's NFCTH_POLICY_SET_NUM
  t.match(bytes, /^00000000(?:.{8})+?1400028006000100000200000500020011000000/)
  t.match(bytes, /0800010000000002/)
  t.match(bytes, /0800060000000000$/, 'NFCTH_STATUS disabled')
  const listing = answering({ replies: [{ type: 0x900, flags: 2, sequence: 1, payload }] })
  t.strictSame(await listHelpers(listing), [registration])
  t.match(listing.requests, [{ type: 0x901, flags: 0x300 }])
})

t.test('what the kernel refuses', async (t) => {
  const refused = (errno: number) => registerHelper(answering({ errno }), registration)
  await rejectsWith(t, refused(17), { code: 'ERR_KERNEL', message: 'NFNL_MSG_CTHELPER_NEW: EEXIST' })
  await rejectsWith(t, refused(1), { code: 'ERR_PERMISSION' })
  // nfnetlink, where the subsystem is not there
  await rejectsWith(t, refused(22), { code: 'ERR_UNSUPPORTED', message: /no nfnetlink_cthelper/ })
  await rejectsWith(t, listHelpers(answering({ errno: 95 })), { code: 'ERR_UNSUPPORTED' })
  t.equal(await unregisterHelper(answering({ errno: 2 }), registration), false)
  t.equal(await unregisterHelper(answering({}), registration), true)
  await rejectsWith(t, unregisterHelper(answering({ errno: 16 }), registration), { code: 'ERR_KERNEL' })
})

t.test('registrations the kernel would misunderstand are argument errors', async (t) => {
  const wrong: Partial<HelperRegistration>[] = [
    { name: 'sixteen-letters-' },
    { name: '' },
    { policies: [] },
    { policies: Array(5).fill(registration.policies[0]) },
    { policies: [{ name: 'a-policy-name-too-long', maxExpected: 1, timeoutSec: 1 }] },
  ]
  for (const part of wrong)
    await rejectsWith(t, registerHelper(answering({}), { ...registration, ...part }), { code: 'ERR_ARGUMENT' })
})
