// The filter of the page. Everything can be read without it; it only hides, and says how much is left.
;(() => {
  const form = document.getElementById('filters')
  const count = document.getElementById('filter-count')
  /** What is told about a failed check, without the neighbours that it is compared with. */
  const textOf = (finding) => {
    const facts = [...finding.querySelectorAll('dl div')].filter(
      (each) => each.firstElementChild.textContent !== 'beside it',
    )
    const parts = [finding.parentElement.firstElementChild, finding.querySelector('summary'), ...facts]
    return parts.map((each) => each.textContent).join(' ')
  }
  const field = (name) => document.getElementById(`filter-${name}`)
  const rows = [...document.querySelectorAll('.matrix tbody tr:not(.topic)')].map((row) => ({
    row,
    cells: [...row.cells],
    topic: row.parentElement.dataset.topic,
    text: `${row.cells[0].textContent} ${row.lastElementChild.textContent}`.toLowerCase(),
  }))
  const legs = document.querySelectorAll('.legs > [data-leg]')
  const findings = [...document.querySelectorAll('.finding')].map((finding) => ({
    finding,
    leg: finding.parentElement.dataset.leg,
    topic: finding.dataset.topic,
    text: textOf(finding).toLowerCase(),
  }))
  const bodies = document.querySelectorAll('.matrix tbody')
  const lines = document.querySelectorAll('.matrix tr')
  const legCount = legs.length
  let shownLeg = ''

  /** Shows one column of the matrix, or all. Costs a step for each cell, so only where the choice has changed. */
  const showLeg = (leg) => {
    if (leg === shownLeg) return
    shownLeg = leg
    for (const line of lines) {
      for (let at = 0; at < legCount; at++) line.cells[at + 1].hidden = leg !== '' && at !== Number(leg)
    }
  }

  const apply = () => {
    const words = field('text').value.toLowerCase().split(/\s+/).filter(Boolean)
    const [outcome, topic, leg] = ['outcome', 'topic', 'leg'].map((name) => field(name).value)
    const has = (text) => words.every((word) => text.includes(word))
    let checks = 0
    for (const each of rows) {
      const cells = leg === '' ? each.cells.slice(1, -1) : [each.cells[Number(leg) + 1]]
      const shown =
        (topic === '' || each.topic === topic) &&
        has(each.text) &&
        (outcome === '' || cells.some((cell) => cell.classList.contains(outcome)))
      each.row.hidden = !shown
      if (shown) checks += 1
    }
    showLeg(leg)
    for (const body of bodies) body.hidden = !body.querySelector('tr:not(.topic):not([hidden])')
    legs.forEach((each, at) => (each.hidden = leg !== '' && at !== Number(leg)))
    let found = 0
    for (const each of findings) {
      const shown =
        (leg === '' || each.leg === leg) &&
        (topic === '' || each.topic === topic) &&
        (outcome === '' || outcome === 'f') &&
        has(each.text)
      each.finding.hidden = !shown
      if (shown) found += 1
    }
    for (const group of document.querySelectorAll('.group'))
      group.hidden = !group.querySelector('.finding:not([hidden])')
    count.textContent = `${checks} of ${rows.length} checks, ${found} of ${findings.length} findings`
  }

  // One frame after the last key, so that typing stays fluent on a large matrix.
  let waiting = 0
  const soon = () => {
    cancelAnimationFrame(waiting)
    waiting = requestAnimationFrame(apply)
  }
  form.addEventListener('input', soon)
  form.addEventListener('reset', soon)
  form.addEventListener('submit', (event) => event.preventDefault())
  form.hidden = false

  // On paper nothing can be opened.
  const opened = []
  addEventListener('beforeprint', () => {
    for (const each of document.querySelectorAll('details:not([open])')) {
      each.open = true
      opened.push(each)
    }
  })
  addEventListener('afterprint', () => {
    for (const each of opened.splice(0)) each.open = false
  })
})()
