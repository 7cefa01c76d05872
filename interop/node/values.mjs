// Prints what JSON.stringify writes: value, text.

console.log(`versions\tNode ${process.versions.node}`)
const show = (name, value) => console.log(`${name}\t${JSON.stringify(value)}`)

show('date', new Date(1759937422457))
show('no payload', { userId: 'u', type: 't', payload: undefined })
show('integer', 1759937422457)
show('large number', 1e21)
show('small number', { n: 1e-7 })
show('not a number', { n: NaN })
show('half a character', { text: '\ud83d' })
