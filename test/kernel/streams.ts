import type { Test } from 'tap'
import { pause, sdpText, sipText, TcpEndpoint, TcpListener } from '../../lib/testing/index.js'
import { Scene, type SceneOptions } from './scene.js'

/** A scene with somebody listening at the registrar's TCP 5060. */
export class Streams {
  readonly scene: Scene
  readonly server: TcpListener

  private constructor(scene: Scene, server: TcpListener) {
    this.scene = scene
    this.server = server
  }

  static async open(t: Test, options: SceneOptions = {}): Promise<Streams> {
    const scene = await Scene.open(options)
    const address = scene.address('registrar')
    const server = await TcpListener.open(scene.lab.provider, { address, port: 5060 })
    t.teardown(async () => {
      server.close()
      await scene.close()
    })
    return new Streams(scene, server)
  }

  async connect(port = 0): Promise<{ client: TcpEndpoint; far: TcpEndpoint }> {
    const { lab } = this.scene
    const local = { address: this.scene.phoneAddress(), port }
    const client = await TcpEndpoint.connect(lab.phone, local, this.server.local)
    return { client, far: await this.server.accept() }
  }

  request(method: string, number: number, body = '', by = `${this.scene.phoneAddress()}:5070`): string {
    const headers: [string, string][] = [
      ['Via', `SIP/2.0/TCP ${by};branch=z9hG4bK${number};rport`],
      ['From', '<sip:alice@test.invalid>;tag=a'],
      ['To', '<sip:bob@test.invalid>'],
      ['Call-ID', `call-${number}`],
      ['CSeq', `1 ${method}`],
      ['Contact', `<sip:alice@${by};transport=tcp>`],
      ...(body ? [['Content-Type', 'application/sdp'] as [string, string]] : []),
    ]
    return sipText(`${method} sip:bob@test.invalid SIP/2.0`, headers, body)
  }

  invite(number: number): string {
    return this.request('INVITE', number, sdpText({ address: this.scene.phoneAddress(), ports: [4000] }))
  }

  /** Waits until the helper has so many connections. */
  async has(connections: number): Promise<void> {
    const count = () => this.scene.sip.status().sizes.connections
    for (let i = 0; i < 400 && count() !== connections; i++) await pause(20)
    if (count() !== connections) throw new Error(`${count()} connections, not ${connections}`)
  }
}
