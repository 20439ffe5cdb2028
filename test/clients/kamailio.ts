import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Namespace, pause } from '../../lib/testing/index.js'
import { uriHost } from './phone.js'
import { ClientProcess } from './process.js'

const MODULES =
  '/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/'

// A registrar and proxy that believes what it is told: Contact as registered, no repair of addresses, no relay of media.
const config = (address: string) => `#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
listen=udp:${uriHost(address)}:5060
listen=tcp:${uriHost(address)}:5060
auto_aliases=no
dns=no
rev_dns=no
mpath="${MODULES}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "gruu_enabled", 0)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
    if (uri != myself) { t_relay(); exit; }
    sl_send_reply("404", "Not Here");
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
  t_check_trans();
  if (is_method("REGISTER")) { save("location"); exit; }
  record_route();
  if (uri == myself && !lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_relay();
}
`

/** Kamailio as registrar and record-routing proxy for UDP and TCP, users in memory, nobody challenged. */
export async function startKamailio(namespace: Namespace, address: string, directory: string): Promise<ClientProcess> {
  const file = join(directory, 'kamailio.cfg')
  writeFileSync(file, config(address))
  const argv = ['kamailio', '-DD', '-E', '-f', file, '-m', '16', '-M', '4', '-w', directory, '-Y', directory]
  // In a pid namespace of its own: it forks helpers that would outlive its death.
  const wrapped = ['unshare', '--fork', '--pid', '--kill-child', ...argv]
  const running = new ClientProcess(namespace, wrapped, join(directory, 'kamailio.log'))
  await bound(namespace, running)
  return running
}

// It says that it listens before it does; a phone that comes earlier is told so by ICMP, and sulks.
async function bound(namespace: Namespace, running: ClientProcess): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const { stdout } = await namespace.exec(['ss', '-Hltn', 'sport = :5060'])
    if (stdout.includes(':5060')) return
    if (!running.isRunning) break
    await pause(50)
  }
  throw new Error(`kamailio does not listen: ${running.said.slice(-500)}`)
}
