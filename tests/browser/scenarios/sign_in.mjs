// Signs in as the second person on the page with the keyboard alone, and reads where that led.
export default async function signIn({ page, url, screenshot }) {
  await page.goto(url);
  const title = await page.title();
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await screenshot();
  await page.keyboard.press("Enter");
  await page.getByText("You are back").waitFor();
  return { title, came_back_to: page.url() };
}
