import t, { type Test } from 'tap'
import { CthelperError } from '../../lib/base/errors.js'
import {
  anchorConntrack,
  anchorTuple,
  type Conntrack,
  type ConntrackOperation,
  type HelperRegistration,
  inboundPinhole,
  openConntrack,
} from '../../lib/conntrack/index.js'
import { Lab, whyNoLab } from '../../lib/testing/index.js'

/** Why a kernel without nfnetlink_cthelper cannot run these. */
async function whyNoHelpers(): Promise<string | false> {
  const why = whyNoLab('nft')
  if (why) return why
  const conntrack = await openConntrack()
  try {
    await conntrack.listHelpers()
    return false
  } catch (error) {
    if (error instanceof CthelperError && error.code === 'ERR_UNSUPPORTED') return 'needs nfnetlink_cthelper'
    throw error
  } finally {
    conntrack.close()
  }
}

const skip = await whyNoHelpers()

/** The table is one for all network namespaces, so the name is this process's. */
const registration: HelperRegistration = {
  name: `cth${process.pid}`,
  family: 2,
  protocol: 17,
  enabled: false,
  policies: [
    { name: 'signalling', maxExpected: 1, timeoutSec: 180 },
    { name: 'media', maxExpected: 0, timeoutSec: 90 },
  ],
}

async function open(t: Test): Promise<Conntrack> {
  const lab = new Lab()
  const namespace = lab.namespace('helper')
  namespace.nft('table inet test { chain out { type filter hook output priority 0; ct state new accept; }; }')
  const conntrack = await openConntrack({ netns: namespace.path })
  t.teardown(async () => {
    await conntrack.flush()
    await conntrack.unregisterHelper(registration)
    conntrack.close()
    lab.close()
  })
  return conntrack
}

const mine = async (conntrack: Conntrack) =>
  (await conntrack.listHelpers()).filter(({ name }) => name === registration.name)

t.test('a helper is registered, listed and unregistered', { skip }, async (t) => {
  const conntrack = await open(t)
  await conntrack.registerHelper(registration)
  t.strictSame(await mine(conntrack), [registration])
  await t.rejects(conntrack.registerHelper(registration), /NFNL_MSG_CTHELPER_NEW: EEXIST/)
  await conntrack.registerHelper({ ...registration, family: 10 })
  t.equal((await mine(conntrack)).length, 2)
  t.ok(await conntrack.unregisterHelper({ ...registration, family: 10 }))
  t.notOk(await conntrack.unregisterHelper({ ...registration, family: 10 }))
  t.ok(await conntrack.unregisterHelper(registration))
  t.strictSame(await mine(conntrack), [])
})

t.test('an anchor under our own policy: its timeout, and no limit', { skip }, async (t) => {
  const conntrack = await open(t)
  await conntrack.registerHelper(registration)
  const anchor = anchorConntrack({ family: 4, n: 0, helper: registration.name, timeoutSec: 60 })
  const operations: ConntrackOperation[] = [{ kind: 'create-conntrack', conntrack: anchor }]
  for (let i = 0; i < 100; i++) {
    const expectation = inboundPinhole({
      anchor: anchor.original,
      from: { address: '198.51.100.20', port: 6000 },
      to: { address: '198.51.100.1', port: 30000 + i },
      mapTo: { address: '192.168.7.10', port: 4000 },
      source: 'latch',
    })
    operations.push({ kind: 'create-expectation', expectation })
  }
  t.ok((await conntrack.batch(operations)).every(({ errno }) => errno === 0))
  const standing = await conntrack.expectations.dump({ master: anchorTuple(4, 0) })
  t.equal(standing.length, 100, 'nothing was evicted')
  t.ok(standing.every(({ timeoutSec = 0 }) => timeoutSec > 60 && timeoutSec <= 90))
  t.ok(await conntrack.delete(anchorTuple(4, 0)))
})
