/** Scenes of other files once more, where the kernel has no NAT function for expectations: flows are translated by nft maps. */
process.env.CTHELPER_TRANSLATION = 'maps'
await import('./tcp-mixed.test.js')
await import('./pbx-tcp.test.js')

export {}
