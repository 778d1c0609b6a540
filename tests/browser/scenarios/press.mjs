// Follows a link, presses a button there, and reads what the page wrote after it asked its server.
export default async function press({ page, url, screenshot }) {
  await page.goto(url);
  await page.getByRole("link", { name: "Count" }).click();
  const title = await page.title();
  await page.getByRole("button", { name: "Once more" }).click();
  await page.getByRole("button", { name: "Once more" }).click();
  await page.getByText("Pressed 2 times").waitFor();
  const said = await page.getByRole("status").textContent();
  await screenshot();
  return { title, said };
}
