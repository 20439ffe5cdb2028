import { asterisk } from './asterisk.js'
import { audiocodes } from './audiocodes.js'
import { baresip } from './baresip.js'
import { cisco } from './cisco.js'
import { freeswitch } from './freeswitch.js'
import { grammar } from './grammar.js'
import { grandstream } from './grandstream.js'
import { jssip } from './jssip.js'
import { kamailio } from './kamailio.js'
import { linphone } from './linphone.js'
import { mitel } from './mitel.js'
import { polycom } from './polycom.js'
import type { Sample } from './sample.js'
import { snom } from './snom.js'
import { teams } from './teams.js'
import { threeCx } from './three-cx.js'
import { twilio } from './twilio.js'
import { yealink } from './yealink.js'

/** All samples by product, a file each. */
export const products: Readonly<Record<string, readonly Sample[]>> = {
  asterisk,
  audiocodes,
  baresip,
  cisco,
  freeswitch,
  grammar,
  grandstream,
  jssip,
  kamailio,
  linphone,
  mitel,
  polycom,
  snom,
  teams,
  threeCx,
  twilio,
  yealink,
}

export const samples: readonly Sample[] = Object.values(products).flat()

export function sampleOf(name: string): Sample {
  const sample = samples.find((it) => it.name === name)
  if (!sample) throw new Error(`no sample ${name}`)
  return sample
}

/** The message of the benchmarks: an INVITE with a session description, about 800 bytes. */
export const typical: Uint8Array = sampleOf('asterisk-invite').bytes
